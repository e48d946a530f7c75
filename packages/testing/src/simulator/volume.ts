import type { ObjectId, ObjectStore, Settled, SnapshotId, StoreId } from '@ashlar/core';
import type { Event } from './cell.ts';
import type { SnapshotModel } from './snapshot-model.ts';
import type { VolumeModel } from './volume-model.ts';

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
  /** A snapshot that was asked for, and was not answered well. */
  pending: { readonly event: Event; readonly model: SnapshotModel } | undefined;
  /** Room is kept for it: it is never told that there is none, but for a snapshot. */
  readonly isReserved: boolean;
  /** The snapshot that it was cloned from, until it is known to be flat. */
  origin: { readonly volume: Volume; readonly snapshot: SnapshotId } | undefined;
};

/**
 * Compares the snapshots that a store has with those that it must or may have. Gives what is wrong. With nothing of it in flight.
 */
export function findSnapshots(volume: Volume): string | undefined {
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
  if (more === undefined) return undefined;
  if (pending === undefined || tooMany.length > 0) {
    return `store ${volume.storeId} has snapshots that nobody took, or that were deleted: ${[more, ...tooMany].join(', ')}`;
  }
  volume.model.widen(pending.model, pending.event.calledAt);
  volume.snapshots.set(more, { model: pending.model, readers: 0, isDropping: false });
  // It is durable, and so is what came before it.
  volume.model.durable(pending.event.calledAt, Infinity);
  return undefined;
}
