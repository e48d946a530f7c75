import type { ObjectId, SnapshotId, StoreId } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { JournalRecord } from './format/journal-frame.ts';

/** Bytes of an object that are damaged. */
export type DamagedRun = { readonly offset: number; readonly length: number };

/** What is damaged of one object: its blocks in order, neighbours joined. */
export type ObjectDamage = {
  readonly store: StoreId;
  readonly object: ObjectId;
  readonly damage: readonly DamagedRun[];
};

/** The same as a snapshot has it. */
export type SnapshotDamage = ObjectDamage & { readonly snapshot: SnapshotId };

/** Clones have objects under the same numbers as what they are cloned from. */
const keyOf = (store: StoreId, object: ObjectId): string => `${store}/${object}`;

/** Blocks of objects, as they are and as snapshots have them, that a run of journal records left damaged: written by one of them, and by none behind it. */
export class Damage {
  readonly #chunkSizeBytes: number;
  readonly #blocks = new Map<string, Set<number>>();
  /** By store and snapshot: what was damaged when it was taken, by object. */
  readonly #kept = new Map<string, ReadonlyMap<string, ReadonlySet<number>>>();

  constructor(chunkSizeBytes: number) {
    this.#chunkSizeBytes = chunkSizeBytes;
  }

  get isEmpty(): boolean {
    return this.#blocks.size === 0 && this.#kept.size === 0;
  }

  /** A block that was damaged before the first record. */
  addBlock(store: StoreId, object: ObjectId, block: number): void {
    const key = keyOf(store, object);
    const blocks = this.#blocks.get(key) ?? new Set();
    this.#blocks.set(key, blocks.add(block));
  }

  /** What is damaged now. */
  found(): ObjectDamage[] {
    return damageOf(this.#blocks);
  }

  /** What is damaged of the snapshots that the records take, each by itself. */
  foundInSnapshots(): SnapshotDamage[] {
    return [...this.#kept].flatMap(([key, blocks]) => {
      const snapshot = Number(key.split('/')[1]);
      return damageOf(blocks).map((each) => ({ ...each, snapshot }));
    });
  }

  /** Takes the next record into account; `damaged` are the indexes of those of its blocks that do not verify. */
  add(record: JournalRecord, damaged: readonly number[]): void {
    if (this.isEmpty && damaged.length === 0) return;
    if (record.kind === 'snapshot') this.#keep(record.store, record.snapshot);
    if (record.kind === 'dropSnapshot') this.#kept.delete(`${record.store}/${record.snapshot}`);
    const key = 'object' in record ? keyOf(record.store, record.object) : '';
    if (record.kind === 'delete') this.#blocks.delete(key);
    if (record.kind !== 'data' && record.kind !== 'slots' && record.kind !== 'clear') return;
    const start =
      record.kind === 'slots' ? record.chunk * this.#chunkSizeBytes + record.block * blockSize : record.offset;
    const first = start / blockSize;
    const count = record.kind === 'clear' ? record.length / blockSize : record.checksums.length;
    const blocks = this.#blocks.get(key) ?? new Set();
    if (count < blocks.size) for (let block = first; block < first + count; block += 1) blocks.delete(block);
    else for (const block of blocks) if (block >= first && block < first + count) blocks.delete(block);
    for (const index of damaged) blocks.add(first + index);
    if (blocks.size === 0) this.#blocks.delete(key);
    else this.#blocks.set(key, blocks);
  }

  /** What comes behind a snapshot mends nothing of it. */
  #keep(store: StoreId, snapshot: SnapshotId): void {
    const own = [...this.#blocks].filter(([key]) => key.startsWith(`${store}/`));
    if (own.length === 0) return;
    this.#kept.set(`${store}/${snapshot}`, new Map(own.map(([key, blocks]) => [key, new Set(blocks)])));
  }
}

function damageOf(blocks: ReadonlyMap<string, ReadonlySet<number>>): ObjectDamage[] {
  return [...blocks].map(([key, each]) => {
    const [store = 0, object = 0] = key.split('/').map(Number);
    return { store, object, damage: runsOf(each) };
  });
}

function runsOf(blocks: ReadonlySet<number>): DamagedRun[] {
  const runs: DamagedRun[] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    const offset = block * blockSize;
    if (last === undefined || last.offset + last.length !== offset) runs.push({ offset, length: blockSize });
    else runs[runs.length - 1] = { offset: last.offset, length: last.length + blockSize };
  }
  return runs;
}
