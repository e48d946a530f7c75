import { cString, descriptorPath } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (path: Uint8Array, mode: number) => number = libc.func('int chmod(const void *path, unsigned int mode)');

/** Sets the mode of an open file, also where it was opened to be named alone: 0, or minus errno. */
export const modeOpen = (descriptor: number, mode: number): number =>
  call(cString(descriptorPath(descriptor)), mode) < 0 ? -lastErrno() : 0;
