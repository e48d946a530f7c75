import { AT_FDCWD, AT_SYMLINK_FOLLOW, cString, descriptorPath } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (from: number, fromName: Uint8Array, to: number, toName: Uint8Array, flags: number) => number = libc.func(
  'int linkat(int from, const void *fromName, int to, const void *toName, int flags)',
);

/** Gives an open file, also a symbolic link, another name: 0, or minus errno. By its path in /proc, which needs no rights that AT_EMPTY_PATH would. */
export const linkOpen = (descriptor: number, directory: number, name: Uint8Array): number =>
  call(AT_FDCWD, cString(descriptorPath(descriptor), 1), directory, cString(name), AT_SYMLINK_FOLLOW) < 0
    ? -lastErrno()
    : 0;
