import { cString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (text: Uint8Array, directory: number, name: Uint8Array) => number = libc.func(
  'int symlinkat(const void *text, int directory, const void *name)',
);

/** Makes a symbolic link: 0, or minus errno. */
export const makeLinkAt = (text: Uint8Array, directory: number, name: Uint8Array): number =>
  call(cString(text, 1), directory, cString(name)) < 0 ? -lastErrno() : 0;
