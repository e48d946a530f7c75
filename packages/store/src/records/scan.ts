import type { RecordChange, RecordStore, StoreId } from '@ashlar/core';
import { opened, recordKey, recordKeyBytes } from './keys.ts';
import type { RecordOverlay } from './record-overlay.ts';

/** As of `RecordStore.scan`: false ends it. */
export type Visit = (key: Uint8Array, value: Uint8Array) => boolean;

/** Visits in order what a scan finds, with sorted changes laid over it; what those hide is visited by nobody. */
export function scanUnder(
  changes: Iterable<RecordChange>,
  scan: (visit: Visit) => void,
  visit: Visit,
  visitChange = visit,
): void {
  const rest = changes[Symbol.iterator]();
  let next = rest.next();
  let goesOn = true;
  const visitNext = ({ key, value }: RecordChange): void => {
    next = rest.next();
    if (value !== null) goesOn = visitChange(key, value);
  };
  scan((key, value) => {
    let order = -1;
    while (goesOn && next.done !== true) {
      order = Buffer.compare(next.value.key, key);
      if (order >= 0) break;
      visitNext(next.value);
    }
    if (!goesOn) return false;
    if (next.done !== true && order === 0) visitNext(next.value);
    else goesOn = visit(key, value);
    return goesOn;
  });
  while (goesOn && next.done !== true) visitNext(next.value);
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
  const add = (key: Uint8Array, value: Uint8Array): boolean => {
    found.push({ key, value });
    return found.length < limit;
  };
  const changes = overlay.isEmpty ? [] : within(store, overlay.range(from, to));
  const scan = (visit: Visit): void => records.scan(recordKey(store, from), recordKey(store, to), visit);
  const visit: Visit = (name, bytes) => add(name.subarray(recordKeyBytes), opened(name, bytes));
  scanUnder(changes, scan, visit, (name, value) => add(name.subarray(recordKeyBytes), Buffer.from(value)));
  return found;
}

/** With the keys that the database has for them. */
function* within(store: StoreId, changes: Iterable<RecordChange>): Generator<RecordChange> {
  for (const { key, value } of changes) yield { key: recordKey(store, key), value };
}
