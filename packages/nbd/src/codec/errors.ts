import type { ErrorKind } from '@ashlar/core';
import { errorCode } from './constants.ts';

/** What each kind of error is on the wire (proto.md, "Error values"). */
export const errorOfKind: Readonly<Record<ErrorKind, number>> = {
  'not-found': errorCode.EINVAL,
  exists: errorCode.EINVAL,
  'no-space': errorCode.ENOSPC,
  'out-of-range': errorCode.EINVAL,
  invalid: errorCode.EINVAL,
  'read-only': errorCode.EPERM,
  corrupt: errorCode.EIO,
  // ENOTSUP is for NBD_CMD_FLAG_FAST_ZERO alone.
  unsupported: errorCode.EINVAL,
  busy: errorCode.EIO,
  stale: errorCode.ESHUTDOWN,
  denied: errorCode.EPERM,
  timeout: errorCode.EIO,
  closed: errorCode.ESHUTDOWN,
  io: errorCode.EIO,
  'not-directory': errorCode.EINVAL,
  'is-directory': errorCode.EINVAL,
  'not-empty': errorCode.EINVAL,
  'name-too-long': errorCode.EINVAL,
  'cross-device': errorCode.EINVAL,
  'too-many-links': errorCode.EINVAL,
  quota: errorCode.ENOSPC,
  'not-owner': errorCode.EPERM,
  'too-big': errorCode.ENOSPC,
  'too-small': errorCode.EINVAL,
  'bad-cookie': errorCode.EINVAL,
  'bad-type': errorCode.EINVAL,
  'bad-handle': errorCode.EINVAL,
  'out-of-sync': errorCode.EIO,
  'try-later': errorCode.EIO,
  miscompare: errorCode.EIO,
  reserved: errorCode.EPERM,
  fenced: errorCode.ESHUTDOWN,
  failed: errorCode.EIO,
};

const kinds: Readonly<Record<number, ErrorKind>> = {
  [errorCode.EPERM]: 'denied',
  [errorCode.EIO]: 'io',
  [errorCode.ENOMEM]: 'io',
  [errorCode.EINVAL]: 'invalid',
  [errorCode.ENOSPC]: 'no-space',
  [errorCode.EOVERFLOW]: 'too-big',
  [errorCode.ENOTSUP]: 'unsupported',
  [errorCode.ESHUTDOWN]: 'closed',
};

/** What a client makes of a server's error; unknown numbers count as EINVAL, as the document asks. */
export function kindOfError(code: number): ErrorKind {
  return kinds[code] ?? 'invalid';
}
