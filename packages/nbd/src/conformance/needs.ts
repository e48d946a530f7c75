import type { Need } from './check.ts';
import { transmissionFlag } from './constants.ts';
import { formatBytes } from './format.ts';

const flagNames: Readonly<Record<keyof typeof transmissionFlag, string>> = {
  hasFlags: 'NBD_FLAG_HAS_FLAGS',
  readOnly: 'NBD_FLAG_READ_ONLY',
  flush: 'NBD_FLAG_SEND_FLUSH',
  fua: 'NBD_FLAG_SEND_FUA',
  rotational: 'NBD_FLAG_ROTATIONAL',
  trim: 'NBD_FLAG_SEND_TRIM',
  writeZeroes: 'NBD_FLAG_SEND_WRITE_ZEROES',
  df: 'NBD_FLAG_SEND_DF',
  multiConnection: 'NBD_FLAG_CAN_MULTI_CONN',
  resize: 'NBD_FLAG_SEND_RESIZE',
  cache: 'NBD_FLAG_SEND_CACHE',
  fastZero: 'NBD_FLAG_SEND_FAST_ZERO',
  blockStatusPayload: 'NBD_FLAG_BLOCK_STATUS_PAYLOAD',
};

type FlagName = keyof typeof transmissionFlag;

export const advertises =
  (flag: FlagName): Need =>
  ({ flags }) =>
    (flags & transmissionFlag[flag]) === 0 ? `the server does not advertise ${flagNames[flag]}` : undefined;

export const lacks =
  (flag: FlagName): Need =>
  ({ flags }) =>
    (flags & transmissionFlag[flag]) === 0 ? undefined : `the server advertises ${flagNames[flag]}`;

export const writable: Need = ({ flags }) =>
  (flags & transmissionFlag.readOnly) === 0 ? undefined : 'the export is read-only';

export const readOnly: Need = ({ flags }) =>
  (flags & transmissionFlag.readOnly) === 0 ? 'the export is writable' : undefined;

export const structured: Need = ({ styles }) =>
  styles.includes('structured') ? undefined : 'the server has no structured replies';

export const extended: Need = ({ styles }) =>
  styles.includes('extended') ? undefined : 'the server has no extended headers';

export const chunked: Need = ({ styles }) =>
  styles.length > 1 ? undefined : 'the server has neither structured replies nor extended headers';

export const contexts: Need = ({ contexts: names }) =>
  names.length > 0 ? undefined : 'the server offers no metadata context';

export const allocation: Need = ({ contexts: names }) =>
  names.includes('base:allocation') ? undefined : 'the server does not offer base:allocation';

export const refusesNames: Need = ({ acceptsEveryName }) =>
  acceptsEveryName ? 'the server accepts every export name' : undefined;

export const lists: Need = ({ exports }) =>
  exports === undefined ? 'the server does not tell its exports' : undefined;

export const blockSize: Need = ({ info }) =>
  info.blockSize === undefined ? 'the server advertises no block sizes' : undefined;

/** Requests can be misaligned: the minimum block size is more than a byte. */
export const coarse: Need = ({ info }) =>
  (info.blockSize?.minimum ?? 1) > 1 ? undefined : 'the minimum block size is one byte';

/** Any offset and length will do, by the document's default or by the server's word. */
export const fine: Need = ({ info }) =>
  (info.blockSize?.minimum ?? 1) === 1
    ? undefined
    : `the minimum block size is ${formatBytes(info.blockSize?.minimum ?? 1)}`;

export const sizeAtLeast =
  (bytes: number): Need =>
  ({ size }) =>
    size >= bytes ? undefined : `the export has ${formatBytes(size)}, fewer than ${formatBytes(bytes)}`;

/** The server takes requests without TLS. */
export const notForced: Need = ({ tls }) => (tls === 'forced' ? 'the server insists on TLS' : undefined);
