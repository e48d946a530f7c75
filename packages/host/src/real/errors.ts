import { getSystemErrorMap } from 'node:util';
import { AshlarError, type ErrorContext, type ErrorKind } from '@ashlar/core';
import { errno } from '../ffi/errno.ts';

const kinds: ReadonlyMap<number, ErrorKind> = new Map([
  [errno.ENOENT, 'not-found'],
  [errno.EEXIST, 'exists'],
  [errno.ENOSPC, 'no-space'],
  [errno.EDQUOT, 'no-space'],
  [errno.EFBIG, 'out-of-range'],
  [errno.EINVAL, 'invalid'],
  [errno.EROFS, 'read-only'],
  [errno.EOPNOTSUPP, 'unsupported'],
  [errno.ENOSYS, 'unsupported'],
  [errno.ENODEV, 'unsupported'],
  [errno.EBUSY, 'busy'],
  [errno.EAGAIN, 'busy'],
  [errno.ESTALE, 'stale'],
  [errno.EACCES, 'denied'],
  [errno.EPERM, 'denied'],
  [errno.ETIMEDOUT, 'timeout'],
  [errno.ENOTDIR, 'not-directory'],
  [errno.EISDIR, 'is-directory'],
  [errno.ENOTEMPTY, 'not-empty'],
  [errno.ENAMETOOLONG, 'name-too-long'],
  [errno.EXDEV, 'cross-device'],
  [errno.EMLINK, 'too-many-links'],
]);

const descriptions = getSystemErrorMap();

/** The AshlarError of an errno (a positive number): `cannot write /x: no space left on device (ENOSPC)`. */
export function systemError(number: number, operation: string, path: string, context: ErrorContext = {}): AshlarError {
  const [name, description] = descriptions.get(-number) ?? [`errno ${number}`, 'unknown error'];
  const message = `cannot ${operation} ${path}: ${description} (${name})`;
  return new AshlarError(kinds.get(number) ?? 'io', message, { ...context, operation, path });
}

/** Runs a call of node:fs and gives what it throws its kind. */
export function systemCall<T>(operation: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNode(error, operation, path);
  }
}

/** The AshlarError of what node:fs threw or called back with. */
export function fromNode(error: unknown, operation: string, path: string): unknown {
  const number = error instanceof Error && 'errno' in error ? error.errno : undefined;
  return typeof number === 'number' ? systemError(-number, operation, path) : error;
}
