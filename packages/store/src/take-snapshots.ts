import { AshlarError, formatSize, type Settled, type SnapshotId } from '@ashlar/core';
import { withRoom } from './background.ts';
import { hasUncounted } from './count-own.ts';
import { endGeneration, nextSequence } from './snapshots.ts';
import type { PoolParts, StoreState } from './state.ts';

/** Snapshots of a store whose generations are not home: a read looks through what was written in each. With so many a checkpoint begins, with more the next one waits. */
const manyPending = 16;
const mostPending = 64;

type Checkpoints = {
  /** Unless one runs. */
  readonly begin: () => void;
  readonly run: (clean: boolean) => Promise<void>;
};

/** Waits for checkpoints where there are too many that wait for one. */
async function roomForSnapshot(store: StoreState, checkpoints: Checkpoints): Promise<void> {
  for (;;) {
    const pending = pendingOf(store);
    if (pending >= manyPending) checkpoints.begin();
    if (pending < mostPending) return;
    await checkpoints.run(false);
  }
}

/** They are the newest. */
function pendingOf({ snapshots }: StoreState): number {
  let count = 0;
  while (count < snapshots.length && snapshots.at(-1 - count)?.birth === undefined) count += 1;
  return count;
}

/** Takes a snapshot of each store, all of one instant. Throws `no-space` where what is reserved would not fit beside them. */
export async function takeSnapshots(
  pool: PoolParts,
  stores: readonly StoreState[],
  durable: boolean,
  checkpoints: Checkpoints,
): Promise<readonly SnapshotId[]> {
  const { broken, group } = pool;
  for (const store of stores) await roomForSnapshot(store, checkpoints);
  const { ids, appended } = await withRoom(pool, () => {
    refuseSnapshot(pool, stores);
    return recordAll(pool, stores);
  });
  await appended;
  if (durable && broken !== 'snapshot-not-synced') await group.sync();
  return ids;
}

type Taken = { readonly ids: readonly SnapshotId[]; readonly appended: Promise<void> };

function recordAll(pool: PoolParts, stores: readonly StoreState[]): Settled<Taken> {
  // A frame is there whole or not at all: all of them go into one of their own.
  if (stores.length > 1) pool.group.endRound();
  if (pool.broken === 'snapshots-apart') return recordApart(pool, stores);
  return { ids: stores.map((store) => recordSnapshot(pool, store)), appended: pool.group.added() };
}

async function recordApart(pool: PoolParts, stores: readonly StoreState[]): Promise<Taken> {
  const ids: SnapshotId[] = [];
  for (const store of stores) {
    ids.push(recordSnapshot(pool, store));
    await pool.group.added();
  }
  return { ids, appended: Promise.resolve() };
}

/** Adds it to the open frame: `added` must follow. */
function recordSnapshot({ group, room }: PoolParts, store: StoreState): SnapshotId {
  const id = store.generation;
  const builder = group.record(8, 0);
  const sequence = nextSequence(store);
  endGeneration(store, id, sequence);
  builder.snapshot({ store: store.id, sequence }, id);
  room.share(store.reservation);
  return id;
}

/**
 * Before a snapshot: from then on all that a store has is the snapshot's too, and to write it over takes as much room again. Throws
 * `no-space` where what is reserved for the stores would not fit any more.
 */
function refuseSnapshot(pool: PoolParts, stores: readonly StoreState[]): void {
  const { room } = pool;
  const more = stores.reduce((sum, { reservation: { bytes, keptBytes } }) => sum + bytes - keptBytes, 0);
  if (more <= room.availableBytes) return;
  // Until the first checkpoint behind a start what is not home counts as promised, and not as a store's own; what is home, until it is counted.
  const isKnown = (store: StoreState): boolean =>
    store.reservation.bytes === 0 || ((!room.mayGrow || store.reservation.isSettled) && !hasUncounted(pool, store));
  if (more === 0 && stores.every(isKnown)) return;
  throw new AshlarError(
    'no-space',
    `a snapshot needs ${formatSize(more)}, since what is reserved must fit beside it, and the pool has ${formatSize(Math.max(0, room.availableBytes))} that are not reserved: free some room, or reserve less`,
  );
}
