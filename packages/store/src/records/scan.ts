import type { RecordChange, RecordStore, StoreId } from '@ashlar/core';
import { keyRange, opened, recordKey } from './keys.ts';
import type { RecordOverlay } from './record-overlay.ts';

/** As of `RecordStore.scan`: false ends it. */
export type Visit = (key: Uint8Array, value: Uint8Array) => boolean;

/** Visits in order what a scan finds, with sorted changes laid over it; what those hide is visited by nobody. */
export function scanUnder(
  changes: readonly RecordChange[],
  scan: (visit: Visit) => void,
  visit: Visit,
  visitChange = visit,
): void {
  let next = 0;
  let goesOn = true;
  const visitNext = (): void => {
    const { key, value } = changes[next]!;
    next += 1;
    if (value !== null) goesOn = visitChange(key, value);
  };
  scan((key, value) => {
    while (goesOn && next < changes.length && Buffer.compare(changes[next]!.key, key) < 0) visitNext();
    if (!goesOn) return false;
    const changed = changes[next];
    if (changed !== undefined && Buffer.compare(changed.key, key) === 0) visitNext();
    else goesOn = visit(key, value);
    return goesOn;
  });
  while (goesOn && next < changes.length) visitNext();
}

type Found = { readonly key: Uint8Array; readonly value: Uint8Array };

/** At most `limit` records of a store with keys in [from, to), sorted: what is in the journal only lies over the database. */
export function scanMerged(
  { records, overlay }: { readonly records: RecordStore; readonly overlay: RecordOverlay },
  store: StoreId,
  from: Uint8Array,
  to: Uint8Array,
  limit: number,
): Found[] {
  const found: Found[] = [];
  if (limit === 0) return found;
  const prefix = keyRange('r', store).from.length;
  const add: Visit = (name, value) => {
    found.push({ key: Uint8Array.from(name.subarray(prefix)), value: Uint8Array.from(value) });
    return found.length < limit;
  };
  const changes = overlay.range(from, to).map(({ key, value }) => ({ key: recordKey(store, key), value }));
  const scan = (visit: Visit): void => records.scan(recordKey(store, from), recordKey(store, to), visit);
  scanUnder(changes, scan, (name, bytes) => add(name, opened(name, bytes)), add);
  return found;
}
