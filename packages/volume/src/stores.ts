import type {
  Compression,
  FlattenProgress,
  Preallocation,
  Settled,
  SnapshotId,
  Space,
  StoreId,
  Usage,
} from '@ashlar/core';
import type { Volume, VolumePlace } from './types.ts';

/**
 * How the catalogue reaches the volumes' own stores: the worker that has them open, or the pool itself. What `create`
 * leaves behind when it fails half way is a store without a record, and the next start removes it.
 */
export interface VolumeStores {
  /** Durable when it settles. */
  create(sizeBytes: number, preallocation: Preallocation, compression: Compression): Settled<VolumePlace>;
  /** The same of an empty file tree. */
  createTree(sizeBytes: number, compression: Compression): Settled<VolumePlace>;
  /** For what is written from now on; durable when it settles; the same again is fine. */
  setCompression(storeId: StoreId, compression: Compression): Settled<void>;
  /** Attached or not; durable when it settles; the same size again is fine. */
  resize(place: VolumePlace, sizeBytes: number): Settled<void>;
  /** Most that the files of a tree may take, from now on. */
  resizeTree(place: VolumePlace, sizeBytes: number): Settled<void>;
  /** Closes a volume that is open: `busy` while clients are attached, unless `force` ends their connections. */
  release(storeId: StoreId, force: boolean): Settled<void>;
  /** Not while it is open. */
  remove(storeId: StoreId): Settled<void>;
  list(): Settled<readonly StoreId[]>;
  /** As `Pool.reserve`. */
  reserve(storeId: StoreId, bytes: number, mustFit: boolean): Settled<void>;
  /** Of its data and kept room: at once, whatever there is. */
  usage(place: VolumePlace): Settled<Usage>;
  /** Of a volume, or of a snapshot of it; looks at what changed between snapshots. */
  space(place: VolumePlace, snapshotId?: SnapshotId): Settled<Space>;

  /** A snapshot of each, all of one instant. Durable with the next durable commit of the catalogue's records, which so costs the only sync. */
  snapshot(volumes: readonly Pick<Volume, 'storeId' | 'type'>[]): Settled<readonly SnapshotId[]>;
  /** Of all stores. */
  listSnapshots(): Settled<readonly { readonly storeId: StoreId; readonly snapshotId: SnapshotId }[]>;
  /** Closes a snapshot that is open: `busy` while clients are attached to it, unless `force` ends their connections. */
  releaseSnapshot(storeId: StoreId, snapshotId: SnapshotId, force: boolean): Settled<void>;
  removeSnapshot(storeId: StoreId, snapshotId: SnapshotId): Settled<void>;
  /** A store with what the snapshot has; its object has the same number. */
  clone(storeId: StoreId, snapshotId: SnapshotId): Settled<StoreId>;
  /** Copies some of what a clone has of its origin. */
  flatten(volume: Pick<Volume, 'storeId' | 'type'>): Settled<FlattenProgress>;
  /** Makes a store that is not open what its newest snapshot has. */
  rollBack(volume: Pick<Volume, 'storeId' | 'type'>, snapshotId: SnapshotId): Settled<void>;
}
