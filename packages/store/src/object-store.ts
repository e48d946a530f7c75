import {
  AshlarError,
  assert,
  errorKindOf,
  isPromise,
  type Change,
  type ObjectId,
  type ObjectStore,
  type OriginRecords,
  type Position,
  type Preallocation,
  type RecordChange,
  type Settled,
  type Snapshot,
  type SnapshotId,
  type SnapshotView,
  type Space,
  type Usage,
} from '@ashlar/core';
import { withRoom } from './background.ts';
import { BlockLocks } from './block-locks.ts';
import { changesOf } from './changed.ts';
import type { Checkpointer } from './checkpointer.ts';
import { clearObject, resizeObject } from './clear.ts';
import { exclusiveBlocks } from './exclusive.ts';
import { encodeBatch, maxRecordsEnd } from './format/journal-frame.ts';
import { thenSync } from './group-commit.ts';
import { LocalReader } from './local-reader.ts';
import { originOf, recordOf, recordsIn } from './origin-records.ts';
import { Overlay } from './overlay.ts';
import { OwnBlocks } from './own-blocks.ts';
import { emptyTree, PageTree, type TreeRoot } from './page-tree.ts';
import { readObject } from './read.ts';
import { mostRecordRoom, recordRoom } from './record-room.ts';
import type { ObjectRecord } from './records/keys.ts';
import { blocksInUse, spaceFrom } from './space.ts';
import { blockSize } from './checksum.ts';
import { LocalSnapshotView, statesOf } from './snapshot-view.ts';
import { listSnapshots, nextSequence, refuseClones, sharedWithKept, snapshotOf, snapshotsHome } from './snapshots.ts';
import { takeSnapshots } from './take-snapshots.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import { admitted, checkRange, debtOf, isByParts, writeByParts, writeObject } from './write.ts';

/** Bytes of zeros that `full` writes at once. */
const fillBytes = 1024 * 1024;
const longestKey = 1500;
const longestValue = 60 * 1024;

/** One volume's objects and records in a local pool. */
export class LocalObjectStore extends LocalReader<ObjectState> implements ObjectStore {
  readonly #checkpointer: Checkpointer;
  #closed = false;
  /** Settles when the last batch of records that had to wait was appended, or refused. */
  #lastWaiting: Promise<void> | undefined;

  constructor(pool: PoolParts, store: StoreState, checkpointer: Checkpointer) {
    super(pool, store);
    this.#checkpointer = checkpointer;
  }

  get position(): Position {
    return { epoch: 1, sequence: this.store.sequence };
  }

  get lossGeneration(): number {
    return this.pool.lossGeneration;
  }

  get origin(): OriginRecords | undefined {
    return originOf(this.pool, this.store);
  }

  async create(sizeBytes: number, preallocation: Preallocation): Promise<ObjectId> {
    this.#check();
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new AshlarError('invalid', `${sizeBytes} is not a size that an object can have`);
    }
    await this.#checkpointer.admit(0);
    const pool = this.pool;
    const id = pool.nextObject;
    pool.nextObject += 1;
    const { generation } = this.store;
    const made = { sizeBytes, blocks: 0, generation, created: generation, keepsRoom: preallocation !== 'off' };
    const object = newObject(pool, this.store, id, made, emptyTree, true);
    this.store.objects.set(id, object);
    pool.group
      .record(24, 0)
      .create({ store: this.store.id, sequence: nextSequence(this.store) }, id, sizeBytes, preallocation);
    await pool.group.added();
    try {
      if (preallocation === 'falloc') await this.zero(id, 0, sizeBytes, true, false);
      if (preallocation === 'full') await this.#fill(id, sizeBytes);
      await this.sync();
    } catch (error) {
      await this.delete(id);
      throw error;
    }
    return id;
  }

  async delete(object: ObjectId): Promise<void> {
    const state = this.find(object);
    const { group } = this.pool;
    group.record(8, 0).delete({ store: this.store.id, sequence: nextSequence(this.store) }, object);
    state.deletedIn = this.store.generation;
    this.store.objects.delete(object);
    this.store.deleted.add(state);
    await group.added();
    await group.sync();
    this.#checkpointer.begin();
  }

  read(object: ObjectId, offset: number, into: Uint8Array): Settled<void> {
    const state = this.find(object);
    checkRange(state, 'read', offset, into.length);
    if (into.length === 0) return undefined;
    const before = state.locks.waitFor(offset, offset + into.length);
    return before === undefined
      ? readObject(this.pool, state, offset, into)
      : before.then(() => readObject(this.pool, state, offset, into));
  }

  write(object: ObjectId, offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    const state = this.find(object);
    checkRange(state, 'write', offset, from.length);
    const target = { pool: this.pool, store: this.store, object: state };
    if (isByParts(this.store, from.length)) {
      const written = writeByParts(target, offset, from, (bytes) => this.#checkpointer.admit(bytes));
      return durable ? thenSync(written, this.pool.group) : written;
    }
    const wait = this.#checkpointer.admit(debtOf(this.store, from.length));
    return admitted(wait, () => writeObject(target, offset, from, durable));
  }

  trim(object: ObjectId, offset: number, length: number, durable: boolean): Settled<void> {
    return this.#clear(object, 'trim', offset, length, false, durable);
  }

  zero(object: ObjectId, offset: number, length: number, keepAllocated: boolean, durable: boolean): Settled<void> {
    return this.#clear(object, 'zero', offset, length, keepAllocated, durable);
  }

  async truncate(object: ObjectId, sizeBytes: number): Promise<void> {
    const state = this.find(object);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new AshlarError('invalid', `${sizeBytes} is not a size that an object can have`);
    }
    await this.#checkpointer.admit(0);
    await resizeObject({ pool: this.pool, store: this.store, object: state }, sizeBytes);
  }

  commit(changes: readonly RecordChange[], durable: boolean, givesBack = false): Settled<void> {
    this.#check();
    for (const { key, value } of changes) {
      if (key.length > longestKey || (value?.length ?? 0) > longestValue) {
        throw new AshlarError('invalid', 'a record is longer than a key of 1,500 bytes or a value of 60 KiB');
      }
    }
    const encoded = encodeBatch(changes);
    if (encoded.length > maxRecordsEnd - 128) {
      throw new AshlarError('invalid', 'a batch of records is longer than what one commit can take');
    }
    const roomBytes = this.#roomFor(changes, givesBack);
    const admitted = this.#checkpointer.admit(encoded.length);
    if (this.#lastWaiting === undefined && roomBytes !== undefined && admitted === undefined) {
      return this.#append(changes, encoded, roomBytes, durable);
    }
    // Those that wait keep their order, and nobody comes before them.
    const before = this.#lastWaiting;
    const ready = Promise.all([before, admitted]).then(() => this.#withRoom(changes, givesBack));
    const appended = ready.then((bytes) => this.#append(changes, encoded, bytes, durable));
    const last: Promise<void> = ready.then(
      () => this.#issued(last),
      () => this.#issued(last),
    );
    this.#lastWaiting = last;
    return appended;
  }

  #issued(last: Promise<void>): void {
    if (this.#lastWaiting === last) this.#lastWaiting = undefined;
  }

  #append(changes: readonly RecordChange[], encoded: Uint8Array, roomBytes: number, durable: boolean): Settled<void> {
    this.#check();
    const { group, room } = this.pool;
    room.countRecords(roomBytes);
    group.record(encoded.length, 0).batch({ store: this.store.id, sequence: nextSequence(this.store) }, encoded);
    this.store.records.apply(changes);
    const appended = group.added();
    return durable ? thenSync(appended, group) : appended;
  }

  /** Bytes that changes may take where there is plenty, or is enough; nothing where it must be waited for. */
  #roomFor(changes: readonly RecordChange[], givesBack: boolean): number | undefined {
    const most = mostRecordRoom(changes);
    if (!this.pool.room.isTightForRecords(most)) return most;
    try {
      return this.#checkedRoom(changes, givesBack);
    } catch (error) {
      if (errorKindOf(error) === 'no-space') return undefined;
      throw error;
    }
  }

  #checkedRoom(changes: readonly RecordChange[], givesBack: boolean): number {
    const { growth, passing } = recordRoom(changes, (key) => this.getRecord(key));
    const bytes = Math.max(0, growth) + passing;
    this.pool.room.checkRecords(bytes, givesBack || growth <= 0);
    return bytes;
  }

  /** The same, when it has been waited for. */
  async #withRoom(changes: readonly RecordChange[], givesBack: boolean): Promise<number> {
    return this.#roomFor(changes, givesBack) ?? withRoom(this.pool, () => this.#checkedRoom(changes, givesBack));
  }

  getRecord(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    return recordOf(this.pool, this.store, key);
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): { key: Uint8Array; value: Uint8Array }[] {
    this.#check();
    return recordsIn(this.pool, this.store, from, to, limit);
  }

  async snapshot(): Promise<SnapshotId> {
    this.#check();
    await this.#checkpointer.admit(0);
    const [id] = await takeSnapshots(this.pool, [this.store], true, this.#checkpointer);
    assert(id !== undefined, 'each store has its snapshot');
    return id;
  }

  snapshots(): readonly Snapshot[] {
    this.#check();
    return listSnapshots(this.store);
  }

  openSnapshot(snapshot: SnapshotId): SnapshotView {
    this.#check();
    return new LocalSnapshotView(this.pool, this.store, snapshotOf(this.store, snapshot));
  }

  async deleteSnapshot(snapshot: SnapshotId): Promise<void> {
    this.#check();
    const found = snapshotOf(this.store, snapshot);
    if (found.openers > 0) throw new AshlarError('busy', `the snapshot ${snapshot} is open: close it first`);
    refuseClones(this.pool, this.store.id, snapshot);
    const { group } = this.pool;
    const builder = group.record(8, 0);
    found.isDropped = true;
    builder.dropSnapshot({ store: this.store.id, sequence: nextSequence(this.store) }, snapshot);
    await group.added();
    await group.sync();
    this.#checkpointer.begin();
  }

  changesSince(
    object: ObjectId,
    since: SnapshotId,
    offset: number,
    length: number,
    limit: number,
  ): Settled<readonly Change[]> {
    const state = this.find(object);
    checkRange(state, 'changesSince', offset, length);
    if (length === 0) return [];
    const states = statesOf(this.pool, this.store, object, since, state, Infinity);
    return changesOf(this.pool, states, offset, length, limit);
  }

  sync(): Settled<void> {
    this.#check();
    const { state, reason, broken, group } = this.pool;
    if (state === 'failed') throw new AshlarError('io', reason ?? 'the pool has failed');
    if (broken === 'flush-answered-early') return void group.sync().catch(() => undefined);
    return group.sync();
  }

  async usageOf(object: ObjectId): Promise<Usage> {
    const state = this.find(object);
    const { taken, held } = await blocksInUse(this.pool, state);
    return { allocatedBytes: taken * blockSize, uncompressedBytes: held * blockSize };
  }

  async spaceOf(object: ObjectId): Promise<Space> {
    const state = this.find(object);
    await snapshotsHome(this.pool, this.store);
    const { taken, held } = await blocksInUse(this.pool, state);
    const floor = sharedWithKept(this.store);
    const own = floor < 0 ? taken : await exclusiveBlocks(this.pool, { object: state, floor, next: undefined });
    return spaceFrom(state.sizeBytes, taken, own, held);
  }

  async space(): Promise<Space> {
    this.#check();
    const sum = { virtualBytes: 0, allocatedBytes: 0, exclusiveBytes: 0, sharedBytes: 0, uncompressedBytes: 0 };
    for (const object of this.store.objects.keys()) {
      const space = await this.spaceOf(object);
      sum.virtualBytes += space.virtualBytes;
      sum.allocatedBytes += space.allocatedBytes;
      sum.exclusiveBytes += space.exclusiveBytes;
      sum.sharedBytes += space.sharedBytes;
      sum.uncompressedBytes += space.uncompressedBytes;
    }
    return sum;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.store.open = false;
    if (this.pool.state !== 'failed') await this.pool.group.sync();
  }

  #clear(
    object: ObjectId,
    operation: string,
    offset: number,
    length: number,
    keep: boolean,
    durable: boolean,
  ): Settled<void> {
    const state = this.find(object);
    checkRange(state, operation, offset, length);
    const wait = this.#checkpointer.admit(0);
    const target = { pool: this.pool, store: this.store, object: state };
    return admitted(wait, () => clearObject(target, offset, length, keep, durable));
  }

  async #fill(object: ObjectId, sizeBytes: number): Promise<void> {
    const zeros = new Uint8Array(fillBytes);
    for (let offset = 0; offset < sizeBytes; offset += fillBytes) {
      const written = this.write(object, offset, zeros.subarray(0, Math.min(fillBytes, sizeBytes - offset)), false);
      if (isPromise(written)) await written;
    }
  }

  protected find(object: ObjectId): ObjectState {
    this.#check();
    const state = this.store.objects.get(object);
    if (state === undefined) throw new AshlarError('not-found', `there is no object ${object} in this volume`);
    return state;
  }

  #check(): void {
    if (this.#closed) throw new AshlarError('closed', 'the volume is closed');
  }
}

/** An object in memory, over the map that the last checkpoint committed. `ownsNothing`: that is known to be nobody else's in no block. */
export function newObject(
  pool: Pick<PoolParts, 'arena' | 'overlayChunks' | 'pages'>,
  store: Pick<StoreState, 'id' | 'generation'>,
  id: ObjectId,
  { sizeBytes, blocks, generation, created, keepsRoom = false, saved = 0 }: Omit<ObjectRecord, 'root' | 'levels'>,
  root: TreeRoot,
  ownsNothing: boolean,
): ObjectState {
  return {
    id,
    store: store.id,
    sizeBytes,
    journaledSize: sizeBytes,
    committedSize: sizeBytes,
    tree: new PageTree(pool.pages, root),
    overlay: new Overlay(pool.arena, pool.overlayChunks, store.generation),
    locks: new BlockLocks(),
    committedBlocks: blocks,
    mappedBlocks: blocks,
    own: new OwnBlocks(ownsNothing),
    committedSaved: saved,
    mappedSaved: saved,
    generation,
    created,
    keepsRoom,
    work: { generation, sizeBytes },
    deletedIn: undefined,
  };
}
