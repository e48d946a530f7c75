import { AshlarError, type FlattenProgress } from '@ashlar/core';
import { withRoom } from './background.ts';
import { blockSize } from './checksum.ts';
import type { Checkpointer } from './checkpointer.ts';
import { hasDeadSnapshots } from './dead-trees.ts';
import { copiedAtOnceBytes } from './flatten-copy.ts';
import { entriesEach } from './format/map-leaf.ts';
import { listSnapshots } from './snapshots.ts';
import type { FlattenPlace, PoolParts, StoreState } from './state.ts';

const start: FlattenPlace = { object: 0, leaf: 0, damagedBlocks: 0 };

/**
 * Copies some of what a clone has of its origin to slots of its own, by one checkpoint, while it is used. When all is copied the clone has no
 * origin any more. Whatever stops it in between leaves a clone that has more of its own. Fails with `busy` where the clone has snapshots, which
 * have what is the origin's as well, and with `no-space`.
 */
export async function flattenSome(
  pool: PoolParts,
  checkpointer: Checkpointer,
  store: StoreState,
): Promise<FlattenProgress> {
  if (store.origin === undefined) return progressOf(pool, store);
  await snapshotsGone(pool, checkpointer, store);
  store.flattening ??= { isWanted: false, reached: start, committed: start };
  const { flattening } = store;
  const before = flattening.committed;
  const leafBytes = entriesEach * pool.chunkSizeBytes;
  const most = copiedAtOnceBytes + leafBytes;
  const needed = pool.places.isWhole ? most : Math.min(most, committedBytes(store));
  // Before the checkpoint, which must not meet a full disk because of this (rule 6).
  await withRoom(pool, () => {
    pool.room.promise(needed, store.reservation);
    pool.room.recorded(needed, store.reservation);
  });
  flattening.isWanted = true;
  store.changed = true;
  await checkpointer.run(false);
  if (flattening.committed !== before) return progressOf(pool, store);
  refuseSnapshots(store);
  throw new AshlarError('no-space', 'the pool is full: what a clone has of its origin needs room of its own');
}

/** Those that are deleted keep what is the origin's until they are gone. */
async function snapshotsGone(pool: PoolParts, checkpointer: Checkpointer, store: StoreState): Promise<void> {
  refuseSnapshots(store);
  while (store.snapshots.length > 0 || hasDeadSnapshots(pool, store.id)) {
    await checkpointer.run(false);
    refuseSnapshots(store);
  }
}

function refuseSnapshots(store: StoreState): void {
  if (listSnapshots(store).length === 0) return;
  throw new AshlarError('busy', `store ${store.id} has snapshots, which have what is its origin's: delete them first`);
}

function committedBytes({ objects }: StoreState): number {
  let blocks = 0;
  for (const { committedBlocks } of objects.values()) blocks += committedBlocks;
  return blocks * blockSize;
}

function progressOf(pool: PoolParts, { flattening, objects, origin }: StoreState): FlattenProgress {
  const isDone = origin === undefined;
  const { object, leaf, damagedBlocks } = flattening?.committed ?? start;
  let [doneBytes, totalBytes] = [0, 0];
  for (const { id, committedSize } of objects.values()) {
    totalBytes += committedSize;
    if (isDone || id < object) doneBytes += committedSize;
    else if (id === object) doneBytes += Math.min(committedSize, leaf * entriesEach * pool.chunkSizeBytes);
  }
  return { isDone, doneBytes, totalBytes, damagedBytes: damagedBlocks * blockSize };
}
