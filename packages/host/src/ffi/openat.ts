import { constants } from 'node:fs';
import { AT_FDCWD, cString, descriptorPath } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, flags: number, mode: number) => number = libc.func(
  'int openat(int directory, const void *name, int flags, unsigned int mode)',
);

const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
const O_TMPFILE = 0o20000000 | O_DIRECTORY;

function open(directory: number, name: Uint8Array, flags: number, mode = 0): number {
  const descriptor = call(directory, cString(name), flags | O_CLOEXEC, mode);
  return descriptor < 0 ? -lastErrno() : descriptor;
}

/** A descriptor that names a file of a directory, whatever it is, and can do nothing with its bytes; a link is itself. Or minus errno. */
export const openToName = (directory: number, name: Uint8Array): number => open(directory, name, O_PATH | O_NOFOLLOW);

/** A directory by its path, at whose end a link is followed: its descriptor, or minus errno. */
export const openDirectory = (path: Uint8Array): number => open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);

/** A file that is not there yet, to be read and written: its descriptor, or minus errno. */
export const openNew = (directory: number, name: Uint8Array, mode: number): number =>
  open(directory, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, mode);

/** A file without a name on the file system of a directory: its descriptor, or minus errno. */
export const openNameless = (directory: number): number => open(directory, Buffer.from('.'), O_TMPFILE | O_RDWR, 0o600);

const kinds = { name: O_PATH, read: O_RDONLY | O_NONBLOCK, write: O_RDWR | O_NONBLOCK } as const;

/** Opens the file of a descriptor once more; the caller knows that it is regular or a directory. Its descriptor, or minus errno. */
export const openAgain = (descriptor: number, kind: keyof typeof kinds): number =>
  open(AT_FDCWD, descriptorPath(descriptor), kinds[kind]);
