import { KiB, MiB, type ObjectId, type SnapshotId, type StoreId } from '@ashlar/core';

/** The pool on the recording disk: small, so that everything in it comes round often. */
export const poolOptions = {
  chunkSizeBytes: 64 * KiB,
  journalBytes: 16 * MiB,
  overlayBytes: 4 * MiB,
  cacheBytes: MiB,
  mapCacheBytes: MiB,
  deadLeavesAtOnce: 1,
} as const;

export const volumeCount = 2;

/** Blocks of 4 KiB of each volume. */
export const volumeBlocks = 1024;

/** One thing that was asked of a volume. Version 0: a trim, or a zero. */
export type Change =
  | {
      readonly kind: 'set';
      readonly version: number;
      readonly first: number;
      readonly count: number;
      readonly durable: boolean;
    }
  | { readonly kind: 'flush' }
  | { readonly kind: 'snapshot'; readonly id: SnapshotId }
  | { readonly kind: 'drop'; readonly id: SnapshotId }
  | { readonly kind: 'create'; readonly object: ObjectId }
  | { readonly kind: 'delete'; readonly object: ObjectId };

/** What a volume has: the version of each of its blocks, now and in each snapshot. Without an object it has nothing. */
export type VolumeState = {
  object: ObjectId | undefined;
  versions: Uint32Array;
  readonly snapshots: Map<SnapshotId, Uint32Array>;
};

/** A state as it is written down. */
type StateLine = {
  readonly object: ObjectId | undefined;
  readonly versions: readonly number[];
  readonly snapshots: readonly (readonly [SnapshotId, readonly number[]])[];
};

/**
 * What the workload knows, a line each. Positions are the recording's: all that is behind `begun` came after it was asked for, all before
 * `answered` was on the disk or flushed when its answer came. A volume is asked one thing after the other.
 */
export type LedgerLine =
  | {
      readonly kind: 'opened';
      readonly begun: number;
      readonly answered: number;
      /** There was no pool before. */
      readonly isNew: boolean;
      readonly lossGeneration: number;
      readonly volumes: readonly { readonly store: StoreId; readonly state: StateLine }[];
    }
  | {
      readonly kind: 'done';
      readonly volume: number;
      readonly begun: number;
      readonly answered: number;
      readonly change: Change;
    };

export const stateLine = ({ object, versions, snapshots }: VolumeState): StateLine => ({
  object,
  versions: [...versions],
  snapshots: [...snapshots].map(([id, each]) => [id, [...each]]),
});

export const stateOf = ({ object, versions, snapshots }: StateLine): VolumeState => ({
  object,
  versions: Uint32Array.from(versions),
  snapshots: new Map(snapshots.map(([id, each]) => [id, Uint32Array.from(each)])),
});

export const copyOf = ({ object, versions, snapshots }: VolumeState): VolumeState => ({
  object,
  versions: versions.slice(),
  snapshots: new Map(snapshots),
});

/** Changes the state as the volume is changed. */
export function apply(state: VolumeState, change: Change): void {
  switch (change.kind) {
    case 'set':
      state.versions.fill(change.version, change.first, change.first + change.count);
      return;
    case 'snapshot':
      state.snapshots.set(change.id, state.versions.slice());
      return;
    case 'drop':
      state.snapshots.delete(change.id);
      return;
    case 'create':
    case 'delete':
      state.object = change.kind === 'create' ? change.object : undefined;
      state.versions.fill(0);
      return;
    case 'flush':
  }
}

/** Whether the answer promises that the change, and all that the volume was asked before it, survives a loss of power. */
export const promises = (change: Change): boolean => change.kind !== 'set' || change.durable;
