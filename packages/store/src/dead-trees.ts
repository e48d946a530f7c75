import type { RecordChange, StoreId } from '@ashlar/core';
import { freeSome } from './dead-tree.ts';
import type { Freed } from './freed.ts';
import { firstKept, keptOf, rootOf } from './kept.ts';
import { emptyTree, leavesUnder, type TreeRoot } from './page-tree.ts';
import { deadKey, keptKey, packedChange, snapshotKey, type DeadRecord, type ObjectRecord } from './records/keys.ts';
import { notShared, Shared } from './shared.ts';
import type { DeadTree, ObjectState, PoolParts, SnapshotState, StoreState } from './state.ts';
import type { Turns } from './turns.ts';

/** What a checkpoint does to dead maps, all of it in its commit. */
export type Dying = {
  readonly changes: RecordChange[];
  /** Numbers of those that came with this checkpoint, and of those that are done with it. */
  readonly born: number[];
  readonly done: number[];
  /** Snapshots that are handed to the background by this checkpoint. */
  readonly gone: Set<SnapshotState>;
};

export const nothingDying = (): Dying => ({ changes: [], born: [], done: [], gone: new Set() });

/** Dead maps above which no snapshot is handed over, and objects that are looked at for it in one checkpoint. */
const mostDead = 1024;
const mostBuried = 1024;
/** Places that one checkpoint gives back to the host, neighbours as one: each takes up to a millisecond. */
const mostPlaces = 128;

/** A map that nobody has any more; what is on record of it is part of the commit. */
export function bury(pool: PoolParts, tree: Omit<DeadTree, 'cursor' | 'committedCursor'>, dying: Dying): void {
  if (tree.root.ref === undefined) return;
  const id = pool.nextObject;
  pool.nextObject += 1;
  const dead = { ...tree, cursor: 0, committedCursor: 0 };
  pool.dead.set(id, dead);
  dying.born.push(id);
  dying.changes.push(packedChange(deadKey(id), recordOf(dead)));
}

/** Where what it was part of is not committed: nothing is dead. */
export function unbury(pool: PoolParts, { born }: Dying): void {
  for (const id of born) pool.dead.delete(id);
}

/** Commits changes with what dies by them. `settled`: as of `KeptRecords.commit`. */
export async function commitDying(
  pool: PoolParts,
  changes: readonly RecordChange[],
  dying: Dying,
  settled: () => void,
): Promise<void> {
  try {
    await pool.records.commit([...changes, ...dying.changes], settled);
  } catch (error) {
    unbury(pool, dying);
    throw error;
  }
}

/** Every state of an object of a store that is deleted, the oldest first: each is freed but for what the next one has as well. */
export function buryAll(pool: PoolParts, store: StoreState, object: ObjectState, dying: Dying): void {
  const place = { store: store.id, object: object.id, floor: store.floor };
  for (const { snapshot, record } of keptOf(pool, store.id, object.id)) {
    bury(pool, { ...place, root: rootOf(record), snapshot, birth: -1 }, dying);
    dying.changes.push({ key: keptKey(store.id, object.id, snapshot), value: null });
  }
  bury(pool, { ...place, root: object.tree.root, snapshot: -1, birth: -1 }, dying);
}

function recordOf({ store, object, root, floor, snapshot, birth, cursor }: DeadTree): DeadRecord {
  return { store, object, root: root.ref!, levels: root.levels, floor, snapshot, birth, cursor };
}

/** Hands snapshots of a store that were deleted to the background, the oldest first: as many as there is room for. */
export function buryDropped(
  pool: PoolParts,
  store: StoreState,
  snapshots: readonly SnapshotState[],
  dying: Dying,
): void {
  let before: SnapshotState | undefined;
  let looked = 0;
  for (const snapshot of snapshots) {
    if (!snapshot.isDropped || snapshot.birth === undefined) {
      before = snapshot;
      continue;
    }
    if (pool.dead.size >= mostDead || looked >= mostBuried) return;
    looked += Math.max(1, store.objects.size);
    burySnapshot(pool, store, snapshot, snapshot.birth, before, dying);
  }
}

/** Each object's state that was kept for it is that of the snapshot before it, or dead. */
function burySnapshot(
  pool: PoolParts,
  store: StoreState,
  gone: SnapshotState,
  birth: number,
  before: SnapshotState | undefined,
  dying: Dying,
): void {
  dying.gone.add(gone);
  dying.changes.push({ key: snapshotKey(store.id, gone.id), value: null });
  for (const object of store.objects.values()) {
    const kept = firstKept(pool, store.id, object.id, gone.id);
    if (kept?.snapshot !== gone.id) continue;
    const { record } = kept;
    dying.changes.push({ key: keptKey(store.id, object.id, gone.id), value: null });
    if (before !== undefined && isOf(record, before)) {
      dying.changes.push(packedChange(keptKey(store.id, object.id, before.id), record));
      continue;
    }
    // What both have is the object's own then.
    if (firstKept(pool, store.id, object.id, gone.id + 1) === undefined) object.own.doubt();
    const place = { store: store.id, object: object.id, root: rootOf(record) };
    bury(pool, { ...place, floor: before?.birth ?? store.floor, snapshot: gone.id, birth }, dying);
  }
}

/** Whether a snapshot of the store is in the background's hands. */
export function hasDeadSnapshots(pool: Pick<PoolParts, 'dead'>, store: StoreId): boolean {
  for (const tree of pool.dead.values()) if (tree.store === store && tree.snapshot >= 0) return true;
  return false;
}

/** Whether a state is what that snapshot has as well. */
function isOf({ generation, created }: ObjectRecord, { id }: SnapshotState): boolean {
  return generation <= id && created <= id;
}

/** Frees some of what is dead. Before the running checkpoint changes any map. */
export async function freeDead(pool: PoolParts, freed: Freed, turns: Turns, dying: Dying): Promise<void> {
  const busy = new Set<string>();
  const budget = { leaves: pool.deadLeavesAtOnce, places: mostPlaces };
  for (const [id, tree] of pool.dead) {
    const object = `${tree.store}/${tree.object}`;
    // One of an object is done before the next begins: each looks at the state behind it.
    if (busy.has(object) || budget.leaves === 0 || dying.born.includes(id)) continue;
    const isDone = await freeSome(pool, tree, stateBehind(pool, id, tree), budget, freed, turns);
    if (!isDone) busy.add(object);
    else dying.done.push(id);
    const moved = pool.broken === 'cursor-not-committed' ? { ...tree, cursor: tree.committedCursor } : tree;
    dying.changes.push(isDone ? { key: deadKey(id), value: null } : packedChange(deadKey(id), recordOf(moved)));
  }
}

/** The committed map of the state behind a snapshot's that is dead: whatever of the dead one is there as well stays. */
function stateBehind(pool: PoolParts, id: number, tree: DeadTree): TreeRoot {
  const { store, object, snapshot } = tree;
  if (snapshot < 0) return emptyTree;
  const kept = firstKept(pool, store, object, snapshot + 1);
  const dead = deadBehind(pool.dead, id, tree);
  if (dead !== undefined && dead.snapshot >= 0 && dead.snapshot < (kept?.snapshot ?? Infinity)) return dead.root;
  if (kept !== undefined) return rootOf(kept.record);
  const live = pool.stores.get(store)?.objects.get(object);
  return live?.tree.root ?? dead?.root ?? emptyTree;
}

/**
 * The dead map of the next snapshot that is freed behind this one's, or else, where the object was deleted, that of the object itself. One that died
 * before is done before, and nothing of it is looked at.
 */
export function deadBehind<T extends Pick<DeadTree, 'store' | 'object' | 'snapshot'>>(
  dead: Iterable<readonly [number, T]>,
  id: number,
  { store, object, snapshot }: Pick<DeadTree, 'store' | 'object' | 'snapshot'>,
): T | undefined {
  let next: T | undefined;
  for (const [other, tree] of dead) {
    if (other <= id || tree.store !== store || tree.object !== object) continue;
    if (tree.snapshot >= 0 && tree.snapshot <= snapshot) continue;
    if (next === undefined || next.snapshot < 0 || (tree.snapshot >= 0 && tree.snapshot < next.snapshot)) next = tree;
  }
  return next;
}

/**
 * What of an object belongs to others as well, where snapshots are being freed that it had: `shared` is what the rest have. At most one of its dead maps
 * is freed in part.
 */
export function sharedWithDead(pool: PoolParts, store: StoreId, object: ObjectState, shared: Shared): Shared {
  if (pool.broken === 'shared-forgotten') return notShared;
  let untouched = shared.inLeaf(0);
  let begun: DeadTree | undefined;
  for (const tree of pool.dead.values()) {
    if (tree.store !== store || tree.object !== object.id || tree.snapshot < 0) continue;
    if (tree.cursor === 0) untouched = Math.max(untouched, tree.birth);
    else if (tree.cursor < leavesUnder(tree.root)) begun = tree;
  }
  if (begun === undefined || begun.birth <= untouched) return new Shared(untouched);
  return new Shared(begun.birth, untouched, begun.cursor);
}
