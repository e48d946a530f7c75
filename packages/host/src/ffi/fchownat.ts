import { AT_EMPTY_PATH, emptyString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, uid: number, gid: number, flags: number) => number = libc.func(
  'int fchownat(int directory, const void *name, unsigned int uid, unsigned int gid, int flags)',
);

const keep = 0xffff_ffff;

/** Gives an open file to somebody, or to a group: 0, or minus errno. */
export const ownOpen = (descriptor: number, uid: number | undefined, gid: number | undefined): number =>
  call(descriptor, emptyString, uid ?? keep, gid ?? keep, AT_EMPTY_PATH) < 0 ? -lastErrno() : 0;
