import { lastErrno, libc } from './libc.ts';

// Of this thread alone, as the system calls have it: setgroups(3) of the library is for all threads of the process.
const setgroups: (number: number, count: bigint, groups: Uint32Array) => number = libc.func(
  'long syscall(long number, size_t count, const void *groups)',
);
const setfsuid: (uid: number) => number = libc.func('int setfsuid(unsigned int uid)');
const setfsgid: (gid: number) => number = libc.func('int setfsgid(unsigned int gid)');
const setUmask: (mask: number) => number = libc.func('unsigned int umask(unsigned int mask)');
const unshare: (flags: number) => number = libc.func('int unshare(int flags)');

const SYS_setgroups = process.arch === 'arm64' ? 159 : 116;
const CLONE_FS = 0x200;
const nobody = 0xffff_ffff;

/** The further groups of this thread: 0, or minus errno. */
export const setThreadGroups = (groups: readonly number[]): number =>
  setgroups(SYS_setgroups, BigInt(groups.length), Uint32Array.from(groups)) < 0 ? -lastErrno() : 0;

/** Who this thread is for files, with the capabilities that has (root: all of them); as it was where it may not be. */
export const setThreadUser = (uid: number): void => void setfsuid(uid);

/** The same of the group, which new files have. */
export const setThreadGroup = (gid: number): void => void setfsgid(gid);

/** Whether this thread is that one. An impossible number changes nothing, and the system says what is. */
export const isThread = (uid: number, gid: number): boolean =>
  setfsuid(nobody) >>> 0 === uid && setfsgid(nobody) >>> 0 === gid;

/** This thread has a mask of modes of its own from now on: 0, or minus errno where the process may not have that. */
export const ownUmask = (): number => (unshare(CLONE_FS) < 0 ? -lastErrno() : 0);

/** Sets the mask of modes and gives the one before. */
export const changeUmask = (mask: number): number => setUmask(mask);
