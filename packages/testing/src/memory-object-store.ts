import {
  andThen,
  AshlarError,
  isPromise,
  type Extent,
  type ObjectId,
  type OriginRecords,
  type Random,
  type RecordChange,
  type Settled,
  type SnapshotId,
} from '@ashlar/core';
import { laterTurn } from './poor-device.ts';

const blockBytes = 4096;
const sizeBytes = 2 ** 53 - blockBytes;
/** As the local store takes them. */
const mostCommitBytes = 64 * 1024 - 128;

type Contents = {
  readonly blocks: Map<number, Uint8Array>;
  readonly records: Map<string, Uint8Array>;
  /** Blocks as snapshots have them. */
  readonly snapshots: Map<SnapshotId, ReadonlyMap<number, Uint8Array>>;
};
type Change = (contents: Contents) => void;

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

/**
 * An object store of one object in memory, for tests of what lies above one. It may answer late, and lose power: then what was not synced is there up to some point of
 * its sequence.
 */
export class MemoryObjectStore {
  readonly object: ObjectId = 1;
  readonly lossGeneration: number;
  /** Fails with it as long as it is set, and does nothing. */
  failing: AshlarError | undefined;
  /** How often it was asked to sync. */
  syncs = 0;
  /** What it was cloned from. */
  origin: OriginRecords | undefined;
  readonly #random: Random | undefined;
  readonly #contents: Contents;
  /** What a sync made durable, and what came since. */
  readonly #durable: Contents;
  #since: Change[] = [];
  #lastSnapshot = 0;

  /** `random`: answers late, and some of them later than others. */
  constructor(
    random?: Random,
    contents: Contents = { blocks: new Map(), records: new Map(), snapshots: new Map() },
    lossGeneration = 0,
    origin?: OriginRecords,
  ) {
    this.origin = origin;
    this.#random = random;
    this.#durable = contents;
    this.#contents = copyOf(contents);
    this.#lastSnapshot = Math.max(0, ...contents.snapshots.keys());
    this.lossGeneration = lossGeneration;
  }

  /** What is there when power was lost at some moment since the last sync. */
  afterLoss(random: Random): MemoryObjectStore {
    const contents = copyOf(this.#durable);
    for (const change of this.#since.slice(0, random.below(this.#since.length + 1))) change(contents);
    return new MemoryObjectStore(this.#random, contents, this.lossGeneration + 1, this.origin);
  }

  /** What is there when the process was killed. */
  afterKill(): MemoryObjectStore {
    return new MemoryObjectStore(this.#random, copyOf(this.#contents), this.lossGeneration, this.origin);
  }

  /** Blocks in which something is. */
  get usedBytes(): number {
    return this.#contents.blocks.size * blockBytes;
  }

  /** Where they are. */
  get usedBlocks(): readonly number[] {
    return [...this.#contents.blocks.keys()].map((index) => index * blockBytes);
  }

  sizeOf(): number {
    return sizeBytes;
  }

  read(_object: ObjectId, offset: number, into: Uint8Array): Settled<void> {
    return this.#answer(() => readBlocks(this.#contents.blocks, offset, into));
  }

  write(_object: ObjectId, offset: number, from: Uint8Array): Settled<void> {
    const bytes = Uint8Array.from(from);
    return this.#change((contents) => {
      for (let done = 0; done < bytes.length;) {
        const at = offset + done;
        const within = at % blockBytes;
        const part = bytes.subarray(done, done + blockBytes - within);
        const index = Math.floor(at / blockBytes);
        const block = Uint8Array.from(contents.blocks.get(index) ?? new Uint8Array(blockBytes));
        block.set(part, within);
        contents.blocks.set(index, block);
        done += part.length;
      }
    });
  }

  trim(_object: ObjectId, offset: number, length: number): Settled<void> {
    return this.#change(({ blocks }) => {
      for (const [index, block] of blocks) {
        const start = index * blockBytes;
        const [from, to] = [Math.max(0, offset - start), Math.min(blockBytes, offset + length - start)];
        if (from >= to) continue;
        if (to - from === blockBytes) blocks.delete(index);
        else blocks.set(index, Uint8Array.from(block).fill(0, from, to));
      }
    });
  }

  extents(_object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    return this.#answer(() => extentsOf(this.#contents.blocks, offset, length, limit));
  }

  commit(changes: readonly RecordChange[], durable: boolean): Settled<void> {
    const bytes = changes.reduce((sum, { key, value }) => sum + 8 + key.length + (value?.length ?? 0), 4);
    if (bytes > mostCommitBytes) {
      return this.#refuse(new AshlarError('invalid', 'a batch of records is longer than what one commit can take'));
    }
    const own = changes.map(({ key, value }) => ({ name: nameOf(key), value: value && Uint8Array.from(value) }));
    const committed = this.#change(({ records }) => {
      for (const { name, value } of own) {
        if (value === null) records.delete(name);
        else records.set(name, value);
      }
    });
    return durable ? andThen(committed, () => this.#keep()) : committed;
  }

  getRecord(key: Uint8Array): Settled<Uint8Array | undefined> {
    return this.#answer(() => this.#contents.records.get(nameOf(key)));
  }

  scanRecords(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Settled<readonly { key: Uint8Array; value: Uint8Array }[]> {
    return this.#answer(() => {
      const [first, behind] = [nameOf(from), nameOf(to)];
      return [...this.#contents.records]
        .filter(([name]) => name >= first && name < behind)
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .slice(0, limit)
        .map(([name, value]) => ({ key: Buffer.from(name, 'latin1'), value }));
    });
  }

  /** Keeps the object as it is. */
  snapshot(): Settled<SnapshotId> {
    const id = (this.#lastSnapshot += 1);
    const taken = this.#change(({ blocks, snapshots }) => void snapshots.set(id, new Map(blocks)));
    return isPromise(taken) ? taken.then(() => id) : id;
  }

  get snapshotIds(): ReadonlySet<SnapshotId> {
    return new Set(this.#contents.snapshots.keys());
  }

  deleteSnapshot(id: SnapshotId): Settled<void> {
    return this.#change(({ snapshots }) => void snapshots.delete(id));
  }

  /** Makes the object what a snapshot has. */
  rollBack(id: SnapshotId): Settled<void> {
    return this.#change(({ blocks, snapshots }) => {
      blocks.clear();
      for (const [index, block] of snapshots.get(id) ?? []) blocks.set(index, block);
    });
  }

  openSnapshot(id: SnapshotId) {
    const blocks = this.#contents.snapshots.get(id) ?? new Map<number, Uint8Array>();
    return {
      id,
      read: (_object: ObjectId, offset: number, into: Uint8Array): Settled<void> =>
        this.#answer(() => readBlocks(blocks, offset, into)),
      extents: (_object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Extent[]> =>
        this.#answer(() => extentsOf(blocks, offset, length, limit)),
      close: (): void => undefined,
    };
  }

  /** A store with what a snapshot has, which has this one's records under its own. */
  clone(id: SnapshotId): MemoryObjectStore {
    const blocks = new Map(this.#contents.snapshots.get(id));
    const contents: Contents = { blocks, records: new Map(), snapshots: new Map() };
    return new MemoryObjectStore(this.#random, contents, 0, this.asOrigin(id));
  }

  /** What a clone of a snapshot has under its own records. */
  asOrigin(snapshot: SnapshotId): OriginRecords {
    return {
      snapshot,
      origin: this.origin,
      getRecord: (key) => this.getRecord(key),
      scanRecords: (from, to, limit) => this.scanRecords(from, to, limit),
    };
  }

  sync(): Settled<void> {
    this.syncs += 1;
    this.#keep();
    return this.#answer(() => undefined);
  }

  async close(): Promise<void> {
    await this.sync();
  }

  /** What came until now is durable. */
  #keep(): void {
    for (const change of this.#since) change(this.#durable);
    this.#since = [];
  }

  #change(change: Change): Settled<void> {
    if (this.failing !== undefined) return this.#refuse(this.failing);
    change(this.#contents);
    this.#since.push(change);
    return this.#answer(() => undefined);
  }

  #refuse(error: AshlarError): Promise<void> {
    if (this.#random === undefined) throw error;
    return laterTurn(this.#random.below(4)).then(() => {
      throw error;
    });
  }

  #answer<T>(result: () => T): Settled<T> {
    const random = this.#random;
    if (random === undefined) return result();
    // What it is now is what is answered, however late.
    const value = result();
    return laterTurn(random.below(4)).then(() => value);
  }
}

const copyOf = ({ blocks, records, snapshots }: Contents): Contents => ({
  blocks: new Map(blocks),
  records: new Map(records),
  snapshots: new Map(snapshots),
});

function readBlocks(blocks: ReadonlyMap<number, Uint8Array>, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length;) {
    const at = offset + done;
    const within = at % blockBytes;
    const count = Math.min(blockBytes - within, into.length - done);
    const block = blocks.get(Math.floor(at / blockBytes));
    if (block === undefined) into.fill(0, done, done + count);
    else into.set(block.subarray(within, within + count), done);
    done += count;
  }
}

function extentsOf(
  blocks: ReadonlyMap<number, Uint8Array>,
  offset: number,
  length: number,
  limit: number,
): readonly Extent[] {
  const found: { offset: number; length: number; state: Extent['state'] }[] = [];
  for (let at = offset; at < offset + length;) {
    const end = Math.min(offset + length, (Math.floor(at / blockBytes) + 1) * blockBytes);
    const state = blocks.has(Math.floor(at / blockBytes)) ? 'data' : 'hole';
    const last = found.at(-1);
    if (last?.state === state) last.length += end - at;
    else if (found.length === limit) return found;
    else found.push({ offset: at, length: end - at, state });
    at = end;
  }
  return found;
}
