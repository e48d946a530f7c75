import { cString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, flags: number) => number = libc.func(
  'int unlinkat(int directory, const void *name, int flags)',
);

const AT_REMOVEDIR = 0x200;

/** Takes a name away, of an empty directory or of what is none: 0, or minus errno. */
export const removeAt = (directory: number, name: Uint8Array, isDirectory: boolean): number =>
  call(directory, cString(name), isDirectory ? AT_REMOVEDIR : 0) < 0 ? -lastErrno() : 0;
