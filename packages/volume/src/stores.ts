import type { Preallocation, Settled, Space, StoreId } from '@ashlar/core';
import type { VolumePlace } from './types.ts';

/**
 * How the catalogue reaches the volumes' own stores: the worker that has them open, or the pool itself. What `create`
 * leaves behind when it fails half way is a store without a record, and the next start removes it.
 */
export interface VolumeStores {
  /** Durable when it settles. */
  create(sizeBytes: number, preallocation: Preallocation): Settled<VolumePlace>;
  /** Attached or not; durable when it settles; the same size again is fine. */
  resize(place: VolumePlace, sizeBytes: number): Settled<void>;
  /** Closes a volume that is open: `busy` while clients are attached, unless `force` ends their connections. */
  release(storeId: StoreId, force: boolean): Settled<void>;
  /** Not while it is open. */
  remove(storeId: StoreId): Settled<void>;
  list(): Settled<readonly StoreId[]>;
  space(place: VolumePlace): Settled<Space>;
}
