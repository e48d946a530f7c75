import type { FoundSnapshot } from './snapshots.ts';
import type { Volume } from './types.ts';

/** The volume that a clone of a snapshot is: of the size of then, with its object under the same number, and without limits or schedules. */
export function cloneOf(
  { volume: origin, snapshot }: FoundSnapshot,
  made: Pick<Volume, 'name' | 'uuid' | 'created' | 'storeId' | 'acceptedLoss'>,
): Volume {
  const { objectId, preallocation, afterLoss, compression, type } = origin;
  return {
    ...made,
    type,
    sizeBytes: snapshot.sizeBytes,
    preallocation,
    limits: {},
    ...(afterLoss === undefined ? {} : { afterLoss }),
    ...(compression === undefined ? {} : { compression }),
    origin: { volume: origin.uuid, snapshotId: snapshot.snapshotId },
    objectId,
  };
}
