import { AshlarError, assert, type Snapshot, type SnapshotId, type StoreId } from '@ashlar/core';
import type { PoolParts, SnapshotState, StoreState } from './state.ts';

/** Ends the store's generation: whatever changes from now on leaves the snapshot as it is. `sequence`: the volume's. */
export function endGeneration(store: StoreState, id: SnapshotId, sequence: number): void {
  assert(id === store.generation, 'a snapshot ends the generation that runs');
  store.generation += 1;
  store.snapshots.push({ id, sequence, birth: undefined, openers: 0, isDropped: false });
}

/** Throws `not-found`. */
export function snapshotOf({ snapshots }: StoreState, id: SnapshotId): SnapshotState {
  const found = snapshots.find((each) => each.id === id && !each.isDropped);
  if (found === undefined) throw new AshlarError('not-found', `there is no snapshot ${id} of this volume`);
  return found;
}

/** Settles when the generations of all snapshots are home: what is whose is known from then on. */
export async function snapshotsHome(pool: Pick<PoolParts, 'relieve'>, store: StoreState): Promise<void> {
  // A full disk keeps a checkpoint from its end: then nobody waits for ever.
  for (let tries = 0; tries < 3 && store.snapshots.some(({ birth }) => birth === undefined); tries += 1) {
    await pool.relieve();
  }
}

/** Those that are there, in their order. */
export function listSnapshots({ snapshots }: StoreState): readonly Snapshot[] {
  return snapshots.filter(({ isDropped }) => !isDropped).map(({ id, sequence }) => ({ id, sequence }));
}

/** Up to which birth what is home belongs to snapshots as well, to whoever changes the store now. */
export function sharedNow({ snapshots, floor }: StoreState): number {
  return birthUpTo(snapshots.at(-1), floor);
}

/** The same to whoever counts what belongs to whom: snapshots that are deleted have nothing any more. */
export function sharedWithKept({ snapshots, floor }: StoreState): number {
  const newest = snapshots.findLast(({ isDropped }) => !isDropped);
  return birthUpTo(newest, floor);
}

/** All births where the newest is not home: whatever is in the map is its as well. */
function birthUpTo(newest: SnapshotState | undefined, floor: number): number {
  return newest === undefined ? floor : (newest.birth ?? Infinity);
}

/** Of a store and of those that it was cloned from: up to which birth what it has is the next one's. */
export function floorsOf({ stores }: Pick<PoolParts, 'stores'>, store: StoreState): readonly number[] {
  const floors: number[] = [];
  for (let at: StoreState | undefined = store; at?.origin !== undefined; at = stores.get(at.origin.store)) {
    floors.push(at.floor);
  }
  return floors;
}

/** Throws `busy` where a clone of the store's, or of one snapshot of it, is there. */
export function refuseClones({ stores }: Pick<PoolParts, 'stores'>, store: StoreId, snapshot?: SnapshotId): void {
  for (const { id, origin } of stores.values()) {
    if (origin?.store !== store || (snapshot !== undefined && origin.snapshot !== snapshot)) continue;
    throw new AshlarError('busy', `store ${id} is a clone of it: delete or flatten that first`);
  }
}

export function nextSequence(store: StoreState): number {
  store.sequence += 1;
  store.changed = true;
  return store.sequence;
}
