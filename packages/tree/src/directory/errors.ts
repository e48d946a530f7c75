import { AshlarError, type ErrorKind } from '@ashlar/core';
import { errno } from '@ashlar/host';

const { EACCES, EAGAIN, EBUSY, EDQUOT, EEXIST, EFBIG, EINVAL, EIO, EISDIR, ELOOP, EMFILE, EMLINK, ENAMETOOLONG } =
  errno;
const { ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOSYS, ENOTDIR, ENOTEMPTY, ENXIO, EOPNOTSUPP, EOVERFLOW } = errno;
const { EPERM, EROFS, ESTALE, ETXTBSY, EXDEV } = errno;

/** What each error of the system is for clients: as knfsd has it, but that nobody is told to wait for what never ends. */
const faults: ReadonlyMap<number, readonly [kind: ErrorKind, sentence: string]> = new Map([
  [EACCES, ['denied', 'its permissions do not let the caller']],
  [EPERM, ['not-owner', 'only its owner may']],
  [ENOENT, ['not-found', 'there is no file of that name']],
  [EEXIST, ['exists', 'there is a file of that name']],
  [ENOTDIR, ['not-directory', 'the file is no directory']],
  [EISDIR, ['is-directory', 'the file is a directory']],
  [ENOTEMPTY, ['not-empty', 'there are files in the directory']],
  [ENAMETOOLONG, ['name-too-long', 'the name is too long for its file system']],
  [EXDEV, ['cross-device', 'the files are on two file systems']],
  [EMLINK, ['too-many-links', 'the file has as many names as its file system lets it']],
  [EINVAL, ['invalid', 'the file system refuses that']],
  [EIO, ['io', 'the disk failed']],
  [ENOSPC, ['no-space', 'there is no room on the file system']],
  [EDQUOT, ['quota', 'the quota is used up']],
  [EFBIG, ['too-big', 'a file cannot be so large']],
  [EROFS, ['read-only', 'the file system is there to be read']],
  [ESTALE, ['stale', 'the file is gone']],
  [ELOOP, ['invalid', 'the file is a symbolic link']],
  // A file system is mounted there, or the file is a program that runs: for as long as that is so.
  [EBUSY, ['denied', 'the machine itself uses the file']],
  [ETXTBSY, ['denied', 'the file is a program that runs on the server']],
  [EOPNOTSUPP, ['unsupported', 'the file system cannot do that']],
  [ENOSYS, ['unsupported', 'the system cannot do that']],
  [ENODEV, ['unsupported', 'the file system cannot do that']],
  [ENXIO, ['unsupported', 'the device is not there']],
  [EOVERFLOW, ['too-big', 'a number is too large for the file system']],
  [EAGAIN, ['try-later', 'the file is in use']],
  [EMFILE, ['try-later', 'too many files are open']],
  [ENFILE, ['try-later', 'too many files are open']],
  [ENOMEM, ['try-later', 'memory is short']],
]);

/** The AshlarError of an errno (a positive number). */
export function fileError(number: number): AshlarError {
  const [kind, sentence] = faults.get(number) ?? ['io', `the system says ${number}`];
  return new AshlarError(kind, sentence);
}

/** What a system call gave, where it gave something, and else its error thrown. */
export function done<T>(result: T | number): T;
export function done(result: number): number;
export function done<T>(result: T | number): T | number {
  if (typeof result === 'number' && result < 0) throw fileError(-result);
  return result;
}
