import {
  AshlarError,
  type Compression,
  type ErrorKind,
  type FlattenProgress,
  type Preallocation,
  type RecordChange,
  type SnapshotId,
  type Space,
  type StoreId,
  type Usage,
} from '@ashlar/core';
import { Catalogue, type AfterLoss, type VolumePlace, type VolumeStores } from './index.ts';

/** A pool in memory that can be asked to fail or to stop dead. */
export class FakePool implements VolumeStores {
  readonly records = new Map<string, Uint8Array>();
  readonly sizes = new Map<StoreId, number>();
  readonly compressions = new Map<StoreId, Compression>();
  readonly attached = new Set<StoreId>();
  /** The sizes that stores had when their snapshots were taken. */
  readonly taken = new Map<StoreId, Map<SnapshotId, number>>();
  readonly attachedSnapshots = new Set<string>();
  failing: 'commit' | 'resize' | 'rollBack' | 'flatten' | 'compression' | undefined;
  /** As the server is configured. */
  compression: Compression = 'off';
  /** After so many a clone is flat. */
  flattenSteps = 1;
  /** What is reserved; more than `mostReserved` in all does not fit. */
  readonly reserved = new Map<StoreId, number>();
  mostReserved = Infinity;
  #next = 2;
  #lastSnapshot = 0;

  commit(changes: readonly RecordChange[], durable: boolean): void {
    if (!durable) throw new Error('the catalogue must commit durably');
    if (this.failing === 'commit') throw new AshlarError('no-space', 'the pool is full');
    for (const { key, value } of changes) {
      if (value === null) this.records.delete(Buffer.from(key).toString());
      else this.records.set(Buffer.from(key).toString(), value);
    }
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.records]
      .map(([key, value]) => ({ key: Buffer.from(key), value }))
      .filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0)
      .toSorted((a, b) => Buffer.compare(a.key, b.key))
      .slice(0, limit);
  }

  create(sizeBytes: number, _preallocation: Preallocation, compression: Compression): VolumePlace {
    const storeId = this.#next++;
    this.sizes.set(storeId, sizeBytes);
    this.compressions.set(storeId, compression);
    return { storeId, objectId: 1 };
  }

  createTree(sizeBytes: number, compression: Compression): VolumePlace {
    return this.create(sizeBytes, 'off', compression);
  }

  resizeTree(place: VolumePlace, sizeBytes: number): void {
    this.resize(place, sizeBytes);
  }

  setCompression(storeId: StoreId, compression: Compression): void {
    if (this.failing === 'compression') throw new AshlarError('no-space', 'the pool is full');
    this.compressions.set(storeId, compression);
  }

  resize({ storeId }: VolumePlace, sizeBytes: number): void {
    if (this.failing === 'resize') throw new AshlarError('no-space', 'the pool is full');
    this.sizes.set(storeId, sizeBytes);
  }

  release(storeId: StoreId, force: boolean): void {
    if (this.attached.has(storeId) && !force) throw new AshlarError('busy', 'clients are attached');
    this.attached.delete(storeId);
  }

  remove(storeId: StoreId): void {
    this.sizes.delete(storeId);
    this.reserved.delete(storeId);
  }

  list(): StoreId[] {
    return [...this.sizes.keys()];
  }

  reserve(storeId: StoreId, bytes: number, mustFit: boolean): void {
    const others = [...this.reserved].reduce((sum, [store, each]) => sum + (store === storeId ? 0 : each), 0);
    if (mustFit && others + bytes > this.mostReserved) throw new AshlarError('no-space', 'it does not fit');
    this.reserved.set(storeId, bytes);
  }

  usage(): Usage {
    return { allocatedBytes: 0, uncompressedBytes: 0 };
  }

  space(place: VolumePlace): Space {
    const virtualBytes = this.sizes.get(place.storeId) ?? 0;
    return { virtualBytes, allocatedBytes: 0, exclusiveBytes: 0, sharedBytes: 0, uncompressedBytes: 0 };
  }

  snapshot(volumes: readonly { readonly storeId: StoreId }[]): SnapshotId[] {
    return volumes.map(({ storeId }) => {
      const taken = this.taken.get(storeId) ?? new Map<SnapshotId, number>();
      this.taken.set(storeId, taken);
      const id = (this.#lastSnapshot += 1);
      taken.set(id, this.sizes.get(storeId) ?? 0);
      return id;
    });
  }

  listSnapshots(): { storeId: StoreId; snapshotId: SnapshotId }[] {
    return [...this.taken].flatMap(([storeId, taken]) =>
      [...taken.keys()].map((snapshotId) => ({ storeId, snapshotId })),
    );
  }

  releaseSnapshot(storeId: StoreId, snapshotId: SnapshotId, force: boolean): void {
    const key = `${storeId}@${snapshotId}`;
    if (this.attachedSnapshots.has(key) && !force) throw new AshlarError('busy', 'clients are attached');
    this.attachedSnapshots.delete(key);
  }

  removeSnapshot(storeId: StoreId, snapshotId: SnapshotId): void {
    this.taken.get(storeId)?.delete(snapshotId);
  }

  clone(storeId: StoreId, snapshotId: SnapshotId): StoreId {
    const clone = this.#next++;
    this.sizes.set(clone, this.taken.get(storeId)?.get(snapshotId) ?? -1);
    return clone;
  }

  flatten(): FlattenProgress {
    if (this.failing === 'flatten') throw new AshlarError('no-space', 'the pool is full');
    this.flattenSteps -= 1;
    const isDone = this.flattenSteps <= 0;
    return { isDone, doneBytes: 0, totalBytes: 0, damagedBytes: 0 };
  }

  rollBack({ storeId }: { readonly storeId: StoreId }, snapshotId: SnapshotId): void {
    if (this.failing === 'rollBack') throw new AshlarError('io', 'the disk failed');
    this.sizes.set(storeId, this.taken.get(storeId)?.get(snapshotId) ?? -1);
  }

  open(lossGeneration = 0, afterLoss: AfterLoss = 'hold', promisedLossGeneration = 0): Promise<Catalogue> {
    let uuids = 0;
    return Catalogue.open({
      records: this,
      stores: this,
      loss: { lossGeneration, promisedLossGeneration },
      compression: () => this.compression,
      afterLoss: () => afterLoss,
      now: () => '2026-01-02T03:04:05.000Z',
      newUuid: () => `00000000-0000-4000-8000-${String(this.records.size + uuids++).padStart(12, '0')}`,
    });
  }
}

/** What is used of a test. */
type Asserts = {
  is(actual: unknown, expected: unknown, message?: string): unknown;
  regex(text: string, pattern: RegExp): unknown;
  fail(message: string): unknown;
};

/** The operation fails with that kind of error, and says such a sentence. */
export async function fails(
  t: Asserts,
  kind: ErrorKind,
  sentence: RegExp,
  operation: () => Promise<unknown>,
): Promise<void> {
  try {
    await operation();
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    t.is(error.kind, kind, error.message);
    t.regex(error.message, sentence);
    return;
  }
  t.fail(`it should have failed with ${kind}`);
}
