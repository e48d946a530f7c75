import { andThen, AshlarError, isPromise, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ClusterCache } from './cluster-cache.ts';
import { isTableCopied, putTableOffset, tableOffsetAt, type Entries, type Entry } from './entry.ts';
import type { Geometry } from './geometry.ts';
import type { L1Table } from './l1-table.ts';
import type { Refcounts } from './refcounts.ts';

type TableParts = {
  readonly path: string;
  readonly file: HostFile;
  readonly geometry: Geometry;
  readonly entries: Entries;
  /** Of L2 tables alone. */
  readonly cache: ClusterCache;
  readonly refcounts: Refcounts;
  readonly l1: L1Table;
};

/** An L2 table that nobody else refers to. */
export type OwnTable = { readonly table: Buffer; readonly offset: number };

/** The tables of an image as they are changed. */
export class Tables {
  readonly #parts: TableParts;
  readonly #changed = new Set<number>();

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  get isDirty(): boolean {
    return this.#parts.cache.isDirty || this.#changed.size > 0;
  }

  get isPressed(): boolean {
    return this.#parts.cache.isPressed;
  }

  entryAt({ table }: OwnTable, index: number): Entry {
    return this.#parts.entries.at(table, index);
  }

  put({ table, offset }: OwnTable, index: number, entry: Omit<Entry, 'compressedBytes'>): void {
    this.#parts.entries.put(table, index, entry);
    this.#parts.cache.changed(offset);
  }

  /** An entry as it is encoded. */
  putBytes({ table, offset }: OwnTable, index: number, entry: Uint8Array): void {
    table.set(entry, index * entry.length);
    this.#parts.cache.changed(offset);
  }

  /** Makes the table of an L1 entry where there is none, and copies one that a snapshot has as well. At once where it is there and in memory. */
  own(index: number): Settled<OwnTable> {
    const { cache, geometry, path } = this.#parts;
    const l1 = this.#parts.l1.entries;
    if (index * 8 >= l1.length) throw new AshlarError('out-of-range', `'${path}' has no L1 entry ${index}`, { path });
    const before = tableOffsetAt(l1, index);
    if (before % geometry.clusterBytes !== 0) {
      throw new AshlarError('corrupt', `an L2 table of '${path}' at ${before} begins no cluster`, { path });
    }
    if (before === 0 || !isTableCopied(l1, index)) return this.#make(index, before);
    return andThen(cache.at(before), (table) => ({ table, offset: before }));
  }

  async #make(index: number, before: number): Promise<OwnTable> {
    const { cache, refcounts } = this.#parts;
    const l1 = this.#parts.l1.entries;
    const bytes = before === 0 ? undefined : Buffer.from(await cache.at(before));
    const offset = await refcounts.take(1);
    const table = cache.put(offset, bytes);
    putTableOffset(l1, index, offset, true);
    this.#changed.add(index);
    if (before !== 0) refcounts.drop(before, 1);
    return { table, offset };
  }

  /** Whether there is a table: where there is none nothing is mapped. */
  has(index: number): boolean {
    const l1 = this.#parts.l1.entries;
    return index * 8 < l1.length && tableOffsetAt(l1, index) !== 0;
  }

  /** Gives up the tables from an entry of the L1 table on: what they have is nobody's already. */
  drop(from: number): void {
    const { l1, refcounts } = this.#parts;
    for (let index = from; index * 8 < l1.entries.length; index += 1) {
      const offset = tableOffsetAt(l1.entries, index);
      if (offset === 0) continue;
      putTableOffset(l1.entries, index, 0, false);
      this.#changed.add(index);
      refcounts.drop(offset, 1);
    }
  }

  /** Writes the L2 tables, and then what names them. */
  async write(): Promise<void> {
    const { cache, file, l1 } = this.#parts;
    await cache.write();
    for (const index of this.#changed) {
      const written = file.write(l1.offset + index * 8, l1.entries.subarray(index * 8, index * 8 + 8));
      if (isPromise(written)) await written;
      this.#changed.delete(index);
    }
  }

  /** A cluster in which a table lay is free. */
  forget(offset: number): void {
    this.#parts.cache.forget(offset);
  }
}
