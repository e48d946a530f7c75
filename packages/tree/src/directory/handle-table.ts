import type { FileHandle, Random, Scheduler } from '@ashlar/core';
import type { FileStat } from '@ashlar/host';
import { encodeHandle, gone, headBytes, inodeIn, type FilePlace, type Handles } from './handles.ts';
import { expectedAt, idBytes, isOf, isSamePlace, knowsDirectory, placedAt } from './table-record.ts';
import { isId, TableRows, type TableRecords } from './table-rows.ts';
import { TableSearch } from './table-search.ts';
import { TableSweep } from './table-sweep.ts';

type Parts = {
  readonly records: TableRecords;
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** What keys of the table begin with. */
  readonly key: Uint8Array;
  readonly root: { readonly descriptor: number; readonly stat: FileStat };
};

const kind = 2;

/** Handles that are on record with where their files were found. What is found there is looked at: it must be the same inode, born at the same time. */
export class HandleTable implements Handles {
  readonly #random: Random;
  readonly #rows: TableRows;
  readonly #search: TableSearch;
  readonly #sweep: TableSweep;

  constructor({ key, random, records, root, scheduler }: Parts) {
    this.#random = random;
    this.#rows = new TableRows(records, key);
    this.#search = new TableSearch({ rows: this.#rows, scheduler, root });
    this.#sweep = new TableSweep({ rows: this.#rows, search: this.#search, scheduler });
  }

  isOne(handle: FileHandle): boolean {
    return handle[0] === kind && handle.length === headBytes + idBytes;
  }

  of(_descriptor: number, stat: FileStat, place: FilePlace | undefined): Promise<FileHandle> {
    return this.#rows.turn(stat.inode, () => this.#handleOf(stat, place));
  }

  async open(handle: FileHandle): Promise<number> {
    const inode = inodeIn(handle);
    const record = await this.#rows.get(inode);
    const id = handle.subarray(headBytes);
    if (record === undefined || !isId(record, id)) throw gone();
    const found = await this.#search.locate({ inode, record });
    if (found === undefined) throw gone();
    const { descriptor, place } = found;
    if (record.misses > 0 || !record.places.some((each) => isSamePlace(each, place))) {
      await this.#rows.turn(inode, async () => this.#foundAt(inode, id, place));
    }
    return descriptor;
  }

  /** A directory that it is found in already has it under that name, too. */
  async expect(inode: bigint, place: FilePlace): Promise<void> {
    await this.#rows.turn(inode, async () => {
      const record = await this.#rows.get(inode);
      if (record === undefined || knowsDirectory(record, place.directory)) return;
      await this.#rows.put(inode, expectedAt(record, place), true);
    });
  }

  async moved(inode: bigint, place: FilePlace): Promise<void> {
    await this.#rows.turn(inode, async () => {
      const record = await this.#rows.get(inode);
      if (record === undefined) return;
      await this.#rows.put(inode, placedAt(record, place), !knowsDirectory(record, place.directory));
    });
  }

  async forget(handle: FileHandle): Promise<void> {
    const inode = inodeIn(handle);
    await this.#rows.turn(inode, async () => {
      const record = await this.#rows.get(inode);
      // Its inode may be another file's by now.
      if (record !== undefined && isId(record, handle.subarray(headBytes))) await this.#rows.drop(inode);
    });
  }

  /** Rows of files that others removed are looked for from now on. */
  watch(): void {
    this.#sweep.begin();
  }

  close(): Promise<void> {
    return this.#sweep.close();
  }

  async #foundAt(inode: bigint, id: Uint8Array, place: FilePlace): Promise<void> {
    const record = await this.#rows.get(inode);
    if (record !== undefined && isId(record, id)) await this.#rows.put(inode, placedAt(record, place), false);
  }

  /** A new one is durable before anybody has it, and so is a directory that a known one is found in for the first time. */
  async #handleOf(stat: FileStat, place: FilePlace | undefined): Promise<FileHandle> {
    const there = await this.#rows.get(stat.inode);
    if (there !== undefined && isOf(there, stat)) {
      const isKnown = place === undefined || there.places.some((each) => isSamePlace(each, place));
      if (!isKnown || (there.misses > 0 && place !== undefined)) {
        await this.#rows.put(stat.inode, placedAt(there, place), !knowsDirectory(there, place.directory));
      }
      return encodeHandle(kind, 0, stat.inode, there.id);
    }
    const id = new Uint8Array(idBytes);
    this.#random.fill(id);
    const places = place === undefined ? [] : [place];
    await this.#rows.put(stat.inode, { id, born: stat.born, places, misses: 0 }, true);
    return encodeHandle(kind, 0, stat.inode, id);
  }
}
