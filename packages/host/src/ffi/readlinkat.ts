import { AT_FDCWD, cString, descriptorPath, emptyString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, into: Uint8Array, size: number) => number = libc.func(
  'long readlinkat(int directory, const void *name, void *into, size_t size)',
);

/** PATH_MAX. */
const into = Buffer.alloc(4096);

function read(directory: number, name: Uint8Array): Buffer | number {
  const length = call(directory, name, into, into.length);
  return length < 0 ? -lastErrno() : Buffer.from(into.subarray(0, length));
}

/** The text of an open symbolic link, or minus errno. */
export const linkText = (descriptor: number): Buffer | number => read(descriptor, emptyString);

/** Where an open directory is now, from the root of this process on, or minus errno. */
export const pathOf = (descriptor: number): Buffer | number => read(AT_FDCWD, cString(descriptorPath(descriptor)));
