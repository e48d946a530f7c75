import type { ObjectId, RecordStore, SnapshotId, StoreId } from '@ashlar/core';
import { emptyTree, type TreeRoot } from './page-tree.ts';
import { keptKey, keptRange, keyNumber, unpackSealed, type ObjectRecord } from './records/keys.ts';
import type { ObjectState, StoreState } from './state.ts';

/** An object's state that a snapshot keeps, and the snapshot that it is kept for: those before it, down to the next one, have it as well. */
export type Kept = { readonly snapshot: SnapshotId; readonly record: ObjectRecord };

/** What is on record. */
type Committed = { readonly records: Pick<RecordStore, 'scan'> };

/** The first state that is kept for that snapshot or one behind it; nothing where the object has not changed since. */
export function firstKept(
  { records }: Committed,
  store: StoreId,
  object: ObjectId,
  snapshot: SnapshotId,
): Kept | undefined {
  let found: Kept | undefined;
  records.scan(keptKey(store, object, snapshot), keptRange(store, object).to, (key, bytes) => {
    found = { snapshot: keyNumber(key, 2), record: unpackSealed<ObjectRecord>(key, bytes) };
    return false;
  });
  return found;
}

/** All states that are kept of an object, the oldest first. */
export function keptOf({ records }: Committed, store: StoreId, object: ObjectId): readonly Kept[] {
  const found: Kept[] = [];
  const { from, to } = keptRange(store, object);
  records.scan(from, to, (key, bytes) => {
    found.push({ snapshot: keyNumber(key, 2), record: unpackSealed<ObjectRecord>(key, bytes) });
    return true;
  });
  return found;
}

/** The committed state of an object as a snapshot has it. */
export function keptAt(
  { records }: Committed,
  store: StoreState,
  object: ObjectState,
  snapshot: SnapshotId,
): { readonly root: TreeRoot; readonly sizeBytes: number } {
  const kept = firstKept({ records }, store.id, object.id, snapshot);
  if (kept === undefined) return { root: object.tree.root, sizeBytes: object.committedSize };
  return { root: rootOf(kept.record), sizeBytes: kept.record.sizeBytes };
}

/** The root of the map that a record names. */
export function rootOf({ root, levels }: Pick<ObjectRecord, 'root' | 'levels'>): TreeRoot {
  // What was packed as undefined may come back as null.
  return root === undefined || root === null ? emptyTree : { ref: root, levels };
}

/** What goes on record of an object with that map. What is so of few objects is there only for those. */
export function recordOf(
  { created, keepsRoom }: Pick<ObjectState, 'created' | 'keepsRoom'>,
  { ref: root, levels }: TreeRoot,
  { saved, ...counted }: Pick<ObjectRecord, 'sizeBytes' | 'blocks' | 'generation'> & { readonly saved: number },
): ObjectRecord {
  return { ...counted, root, levels, created, ...(keepsRoom ? { keepsRoom } : {}), ...(saved === 0 ? {} : { saved }) };
}
