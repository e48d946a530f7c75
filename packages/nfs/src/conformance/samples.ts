import type { AuthSys } from '@ashlar/wire';

/** A name as it is sent. */
export const named = (text: string): Uint8Array => Buffer.from(text);

/** Bytes that are no others, by where they are. */
export const bytes = (length: number, seed = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 31 + seed * 17 + (at >> 8)) & 0xff));

export const sysOf = (uid: number, gid: number, gids: readonly number[] = []): AuthSys => ({
  stamp: 1,
  machine: 'conformance',
  uid,
  gid,
  gids,
});

/** Who owns what the checks make: no server takes it for nobody. */
export const owner = sysOf(1001, 1001);
export const stranger = sysOf(2002, 2002);
