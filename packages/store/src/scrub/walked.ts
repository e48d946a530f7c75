import type { ObjectId, SnapshotId, StoreId } from '@ashlar/core';
import { keptOf, rootOf } from '../kept.ts';
import { PageTree } from '../page-tree.ts';
import { keptKey } from '../records/keys.ts';
import type { PoolParts, Readable } from '../state.ts';

/** A tree of pages that is walked. */
export type Walked = {
  readonly place: Place;
  readonly tree: Pick<PageTree, 'root'>;
  /** Pages and pieces that were born up to then are met with what shares them. */
  readonly floor: number;
  /** It has not been deleted meanwhile. */
  readonly isThere: () => boolean;
  /** What its leaves map, where it is a state of an object. */
  readonly state: WalkedState | undefined;
};

export type WalkedState = {
  readonly store: StoreId;
  readonly object: ObjectId;
  readonly snapshot: SnapshotId | undefined;
  readonly readable: Readable;
  readonly isThere: () => boolean;
};

/** How far a scrub is, in the order in which it walks: the table of checksums, then the states of each object. */
export type Place = {
  /** 0 for the table of checksums. */
  readonly store: StoreId;
  readonly object: ObjectId;
  /** `live` for the object as it is. */
  readonly snapshot: SnapshotId;
  /** The first leaf that is not done. */
  readonly leaf: number;
};

const live = Number.MAX_SAFE_INTEGER;
const start: Place = { store: 0, object: 0, snapshot: 0, leaf: 0 };

/** Below 0 where the first comes before the second; leaves do not count. */
function compare(one: Place, other: Place): number {
  return one.store - other.store || one.object - other.object || one.snapshot - other.snapshot;
}

/** The trees of a pool from a place on, the oldest states first; those that come or go meanwhile are met or not. */
export function* walkedFrom(pool: PoolParts, from: Place = start): Generator<Walked> {
  const isAhead = (place: Place): boolean => compare(place, from) >= 0;
  if (isAhead(start)) {
    yield { place: start, tree: pool.checksums, floor: -1, isThere: () => true, state: undefined };
  }
  for (const id of inOrder(pool.stores)) {
    const store = id < from.store ? undefined : pool.stores.get(id);
    if (store === undefined) continue;
    for (const object of inOrder(store.objects)) {
      for (const walked of statesOf(pool, id, object)) if (isAhead(walked.place)) yield walked;
    }
  }
}

/** The leaf of a tree at which a walk that begins at a place begins. */
export const firstLeafOf = (walked: Walked, from: Place = start): number =>
  compare(walked.place, from) === 0 ? from.leaf : 0;

const inOrder = (map: ReadonlyMap<number, unknown>): number[] => [...map.keys()].sort((a, b) => a - b);

/** The states of an object. What one shares with those in front of it is not its own. */
function* statesOf(pool: PoolParts, storeId: StoreId, objectId: ObjectId): Generator<Walked> {
  const store = pool.stores.get(storeId);
  const object = store?.objects.get(objectId);
  if (store === undefined || object === undefined) return;
  let { floor } = store;
  const walked = (snapshot: SnapshotId | undefined, readable: Readable, isThere: () => boolean): Walked => ({
    place: { store: storeId, object: objectId, snapshot: snapshot ?? live, leaf: 0 },
    tree: readable.tree,
    floor,
    isThere,
    state: { store: storeId, object: objectId, snapshot, readable, isThere },
  });
  for (const { snapshot, record } of keptOf(pool, storeId, objectId)) {
    const tree = new PageTree(pool.pages, rootOf(record));
    const readable = { store: storeId, sizeBytes: record.sizeBytes, tree, overlay: noOverlay };
    yield walked(snapshot, readable, () => pool.records.get(keptKey(storeId, objectId, snapshot)) !== undefined);
    floor = store.snapshots.find(({ id }) => id === snapshot)?.birth ?? floor;
  }
  yield walked(undefined, object, () => pool.stores.get(storeId)?.objects.get(objectId) === object);
}

const noOverlay: Readable['overlay'] = {
  isEmpty: true,
  has: () => false,
  *layers() {},
  layerOf: () => undefined,
};
