import { blockSize } from './checksum.ts';
import type { JournalRecord } from './format/journal-frame.ts';

/** Blocks of objects that a run of journal records left damaged: written by one of them, and by none behind it. */
export class Damage {
  readonly #chunkSizeBytes: number;
  readonly #blocks = new Map<number, Set<number>>();

  constructor(chunkSizeBytes: number) {
    this.#chunkSizeBytes = chunkSizeBytes;
  }

  get isEmpty(): boolean {
    return this.#blocks.size === 0;
  }

  /** Takes the next record into account; `damaged` are the indexes of those of its blocks that do not verify. */
  add(record: JournalRecord, damaged: readonly number[]): void {
    if (this.isEmpty && damaged.length === 0) return;
    if (record.kind === 'delete') this.#blocks.delete(record.object);
    if (record.kind !== 'data' && record.kind !== 'slots' && record.kind !== 'clear') return;
    const start =
      record.kind === 'slots' ? record.chunk * this.#chunkSizeBytes + record.block * blockSize : record.offset;
    const first = start / blockSize;
    const count = record.kind === 'clear' ? record.length / blockSize : record.checksums.length;
    const blocks = this.#blocks.get(record.object) ?? new Set();
    for (const block of blocks) if (block >= first && block < first + count) blocks.delete(block);
    for (const index of damaged) blocks.add(first + index);
    if (blocks.size === 0) this.#blocks.delete(record.object);
    else this.#blocks.set(record.object, blocks);
  }
}
