import type { Compression, ObjectStore } from '@ashlar/core';
import type { PoolLoss } from './loss.ts';
import type { VolumeStores } from './stores.ts';
import type { AfterLoss, Volume } from './types.ts';

/** What a catalogue is given. */
export type CatalogueOptions = {
  /** The pool's system store. */
  readonly records: Pick<ObjectStore, 'commit' | 'scanRecords'>;
  readonly stores: VolumeStores;
  /** Now, as ISO 8601. */
  readonly now: () => string;
  readonly newUuid: () => string;
  readonly loss: PoolLoss;
  /** What a loss does now to volumes that say nothing themselves. */
  readonly afterLoss: () => AfterLoss;
  /** A volume has other snapshots than before. Never rejects. */
  readonly snapshotsChanged?: (volume: Volume) => Promise<void>;
  /** What new volumes are that say nothing themselves. */
  readonly compression: () => Compression;
};
