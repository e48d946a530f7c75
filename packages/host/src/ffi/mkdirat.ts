import { cString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, mode: number) => number = libc.func(
  'int mkdirat(int directory, const void *name, unsigned int mode)',
);

/** Makes a directory: 0, or minus errno. */
export const makeDirectoryAt = (directory: number, name: Uint8Array, mode: number): number =>
  call(directory, cString(name), mode) < 0 ? -lastErrno() : 0;
