import { errorKindOf, type ErrorKind } from '@ashlar/core';
import { mountStatus, status } from '../codec/constants.ts';

/** What NFS version 3 says of each kind of error (RFC 1813, section 2.6). */
const statuses: Readonly<Record<ErrorKind, number>> = {
  'not-found': status.notFound,
  exists: status.exists,
  'no-space': status.noSpace,
  'out-of-range': status.invalid,
  invalid: status.invalid,
  'read-only': status.readOnly,
  corrupt: status.io,
  unsupported: status.notSupported,
  busy: status.jukebox,
  stale: status.stale,
  denied: status.access,
  timeout: status.jukebox,
  closed: status.jukebox,
  io: status.io,
  'not-directory': status.notDirectory,
  'is-directory': status.isDirectory,
  'not-empty': status.notEmpty,
  'name-too-long': status.nameTooLong,
  'cross-device': status.crossDevice,
  'too-many-links': status.tooManyLinks,
  quota: status.quota,
  'not-owner': status.notOwner,
  'too-big': status.tooBig,
  'too-small': status.tooSmall,
  'bad-cookie': status.badCookie,
  'bad-type': status.badType,
  'bad-handle': status.badHandle,
  'out-of-sync': status.notSync,
  'try-later': status.jukebox,
  miscompare: status.serverFault,
  reserved: status.access,
  fenced: status.jukebox,
  failed: status.io,
};

export const statusOf = (error: unknown): number => statuses[errorKindOf(error)];

const mountStatuses: Partial<Readonly<Record<ErrorKind, number>>> = {
  'not-found': mountStatus.notFound,
  denied: mountStatus.access,
  'not-owner': mountStatus.notOwner,
  'not-directory': mountStatus.notDirectory,
  'name-too-long': mountStatus.nameTooLong,
  invalid: mountStatus.invalid,
  unsupported: mountStatus.notSupported,
  io: mountStatus.io,
};

/** The same of MOUNT, which knows fewer. */
export const mountStatusOf = (error: unknown): number => mountStatuses[errorKindOf(error)] ?? mountStatus.serverFault;
