import type { RecordStore, StoreId } from '@ashlar/core';
import { keyRange, opened, recordKey } from './keys.ts';
import type { RecordOverlay } from './record-overlay.ts';

type Found = { readonly key: Uint8Array; readonly value: Uint8Array };

/** At most `limit` records of a store with keys in [from, to), sorted: what is in the journal only lies over the database. */
export function scanMerged(
  { records, overlay }: { readonly records: RecordStore; readonly overlay: RecordOverlay },
  store: StoreId,
  from: Uint8Array,
  to: Uint8Array,
  limit: number,
): Found[] {
  const changed = overlay.range(from, to);
  const hidden = new Set(changed.map(({ key }) => Buffer.from(key).toString('latin1')));
  const found: Found[] = changed.flatMap(({ key, value }) =>
    value === null ? [] : [{ key, value: Uint8Array.from(value) }],
  );
  const prefix = keyRange('r', store).from.length;
  let kept = 0;
  records.scan(recordKey(store, from), recordKey(store, to), (name, bytes) => {
    const key = Uint8Array.from(name.subarray(prefix));
    if (hidden.has(Buffer.from(key).toString('latin1'))) return true;
    found.push({ key, value: Uint8Array.from(opened(name, bytes)) });
    kept += 1;
    return kept < limit;
  });
  return found.sort((a, b) => Buffer.compare(a.key, b.key)).slice(0, limit);
}
