import { assert, type OriginRecords } from '@ashlar/core';
import { opened, recordKey } from './records/keys.ts';
import { scanMerged } from './records/scan.ts';
import type { PoolParts, StoreState } from './state.ts';

type Parts = Pick<PoolParts, 'records' | 'stores'>;

/** A record of a store, open or not. */
export function recordOf(
  { records }: Parts,
  { id, records: overlay }: StoreState,
  key: Uint8Array,
): Uint8Array | undefined {
  const changed = overlay.get(key);
  if (changed !== undefined) return changed === null ? undefined : Buffer.from(changed);
  const name = recordKey(id, key);
  const bytes = records.get(name);
  return bytes === undefined ? undefined : opened(name, bytes);
}

export const recordsIn = (
  { records }: Parts,
  { id, records: overlay }: StoreState,
  from: Uint8Array,
  to: Uint8Array,
  limit: number,
): { key: Uint8Array; value: Uint8Array }[] => scanMerged({ records, overlay }, id, from, to, limit);

/** What a store was cloned from, which is there as long as the store is a clone. */
export function originOf(parts: Parts, { origin }: StoreState): OriginRecords | undefined {
  if (origin === undefined) return undefined;
  const store = parts.stores.get(origin.store);
  assert(store !== undefined, 'what a store was cloned from is there');
  return {
    snapshot: origin.snapshot,
    getRecord: (key) => recordOf(parts, store, key),
    scanRecords: (from, to, limit) => recordsIn(parts, store, from, to, limit),
    get origin() {
      return originOf(parts, store);
    },
  };
}
