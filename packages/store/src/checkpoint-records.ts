import type { RecordChange } from '@ashlar/core';
import type { JournalPosition } from './journal.ts';
import type { TreeRoot } from './page-tree.ts';
import { bitmapKey, packedChange, sealed, snapshotKey, type PoolRecord, type StoreRecord } from './records/keys.ts';
import type { PoolParts, SnapshotState, StoreState } from './state.ts';

export function storeRecord(
  { origin, floor }: Pick<StoreState, 'origin' | 'floor'>,
  { compression }: Pick<StoreState, 'compression'>,
  sequence: number,
  generation: number,
): StoreRecord {
  const more = { ...(origin === undefined ? {} : { origin }), ...(compression === 'off' ? {} : { compression }) };
  return { sequence, generation, floor, ...more };
}

/** Snapshots that are deleted and whose turn to be handed to the background has not come. */
export function droppedChanges(
  store: StoreState,
  snapshots: readonly SnapshotState[],
  gone: ReadonlySet<SnapshotState>,
): RecordChange[] {
  const dropped = snapshots.filter((snapshot) => snapshot.isDropped && !gone.has(snapshot));
  return dropped.flatMap(({ id, sequence, birth }) =>
    birth === undefined ? [] : [packedChange(snapshotKey(store.id, id), { sequence, birth, isDropped: true })],
  );
}

export function poolRecord(
  pool: PoolParts,
  position: JournalPosition,
  clean: boolean,
  checksums: TreeRoot,
): PoolRecord {
  return {
    birth: pool.birth,
    position,
    nextObject: pool.nextObject,
    nextStore: pool.nextStore,
    lossGeneration: pool.lossGeneration,
    promisedLossGeneration: pool.promisedLossGeneration,
    clean,
    bootId: pool.host.bootId(),
    checksumRoot: checksums.ref,
    checksumLevels: checksums.levels,
  };
}

export function bitmapChange(kind: 'slots' | 'pages', index: number, bytes: Uint8Array): RecordChange {
  const key = bitmapKey(kind, index);
  return { key, value: sealed(key, bytes) };
}
