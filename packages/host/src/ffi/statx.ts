import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, cString, emptyString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, flags: number, mask: number, into: Uint8Array) => number = libc.func(
  'int statx(int directory, const void *name, int flags, unsigned int mask, void *into)',
);

type Time = { readonly seconds: number; readonly nanoseconds: number };

/** What statx(2) says of a file. */
export type FileStat = {
  /** Type and permissions. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: bigint;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** Of a device. */
  readonly device: { readonly major: number; readonly minor: number };
  /** Numbers of the file system, and of where it is mounted. */
  readonly fileSystem: number;
  readonly mount: bigint;
  readonly accessed: Time;
  readonly modified: Time;
  readonly changed: Time;
  /** Where the file system knows. */
  readonly born: Time | undefined;
};

const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const wanted = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
const statBlockBytes = 512;
const minors = 2 ** 32;

/** struct statx (linux/stat.h), little-endian. */
const into = Buffer.alloc(256);
const word = (at: number): number => into.readUInt32LE(at + 4) * 2 ** 32 + into.readUInt32LE(at);
const time = (at: number): Time => ({
  seconds: into.readInt32LE(at + 4) * 2 ** 32 + into.readUInt32LE(at),
  nanoseconds: into.readUInt32LE(at + 8),
});

function stat(directory: number, name: Uint8Array, flags: number): FileStat | number {
  if (call(directory, name, flags, wanted, into) < 0) return -lastErrno();
  return {
    mode: into.readUInt16LE(28),
    links: into.readUInt32LE(16),
    uid: into.readUInt32LE(20),
    gid: into.readUInt32LE(24),
    inode: into.readBigUInt64LE(32),
    sizeBytes: word(40),
    usedBytes: word(48) * statBlockBytes,
    device: { major: into.readUInt32LE(128), minor: into.readUInt32LE(132) },
    fileSystem: into.readUInt32LE(136) * minors + into.readUInt32LE(140),
    mount: into.readBigUInt64LE(144),
    accessed: time(64),
    modified: time(112),
    changed: time(96),
    born: (into.readUInt32LE(0) & STATX_BTIME) === 0 ? undefined : time(80),
  };
}

/** Of an open file, or minus errno. */
export const statOpen = (descriptor: number): FileStat | number => stat(descriptor, emptyString, AT_EMPTY_PATH);

/** Of what a name in a directory is of, no link followed; or minus errno. */
export const statNamed = (directory: number, name: Uint8Array): FileStat | number =>
  stat(directory, cString(name), AT_SYMLINK_NOFOLLOW);
