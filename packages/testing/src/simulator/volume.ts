import type { ObjectId, ObjectStore, Pool, Settled, SnapshotId, StoreId } from '@ashlar/core';
import type { Event } from './cell.ts';
import type { SnapshotModel } from './snapshot-model.ts';
import type { VolumeModel } from './volume-model.ts';

/** A pool with what its own data plane asks of it besides. */
export type SimulatedPool = Pool & {
  /** Brings home everything recorded until now. */
  checkpoint(): Promise<void>;
  /** Brings everything home and lets go of memory. */
  giveBack(): Promise<void>;
};

/** Lets everything go on until an operation has settled; gives its value. */
export type Finish = <T>(operation: () => Settled<T>) => Promise<T>;

/** A snapshot as the simulation knows it. */
export type KnownSnapshot = {
  readonly model: SnapshotModel;
  /** Reads of it that are in flight. */
  readers: number;
  /** Its deletion was asked for, and was not answered well. */
  isDropping: boolean;
};

/** One volume of the simulated pool: the store that is open, and what it and its snapshots may show. */
export type Volume = {
  readonly storeId: StoreId;
  readonly object: ObjectId;
  readonly model: VolumeModel;
  store: ObjectStore;
  readonly snapshots: Map<SnapshotId, KnownSnapshot>;
  /** A snapshot that was asked for, of this volume alone or of several at once, and was not answered well. */
  pending: { readonly event: Event; readonly model: SnapshotModel } | undefined;
  /** Room is kept for it: it is never told that there is none, but for a snapshot. */
  readonly isReserved: boolean;
  /** The snapshot that it was cloned from, until it is known to be flat. */
  origin: { readonly volume: Volume; readonly snapshot: SnapshotId } | undefined;
  /** Its deletion, or its return to a snapshot, was under way when the process ended. */
  change: 'deletion' | SnapshotId | undefined;
};

/**
 * Compares the snapshots that stores have with those that they must or may have. Gives what is wrong. With nothing of them in
 * flight.
 */
export function findSnapshots(volumes: readonly Volume[]): string | undefined {
  /** By what asked for them: whether they are there. */
  const found = new Map<Event, boolean>();
  for (const volume of volumes) {
    const { pending } = volume;
    const result = findOf(volume);
    if (typeof result === 'string') return result;
    if (pending === undefined) continue;
    const isThere = found.get(pending.event) ?? result;
    if (isThere !== result) return `${pending.event.name} is there of some of them only`;
    found.set(pending.event, result);
  }
  return undefined;
}

/** Whether the one is there that was not answered, or what is wrong. */
function findOf(volume: Volume): boolean | string {
  const there = volume.store.snapshots().map(({ id }) => id);
  for (const [id, { isDropping }] of volume.snapshots) {
    if (there.includes(id)) continue;
    if (!isDropping) return `the snapshot ${id} of store ${volume.storeId} is lost`;
    volume.snapshots.delete(id);
  }
  for (const snapshot of volume.snapshots.values()) {
    snapshot.readers = 0;
    snapshot.isDropping = false;
  }
  const [more, ...tooMany] = there.filter((id) => !volume.snapshots.has(id));
  const { pending } = volume;
  volume.pending = undefined;
  if (more === undefined) return false;
  if (pending === undefined || tooMany.length > 0) {
    return `store ${volume.storeId} has snapshots that nobody took, or that were deleted: ${[more, ...tooMany].join(', ')}`;
  }
  volume.model.widen(pending.model, pending.event.calledAt);
  volume.snapshots.set(more, { model: pending.model, readers: 0, isDropping: false });
  // It is durable, and so is what came before it.
  volume.model.durable(pending.event.calledAt, Infinity);
  return true;
}
