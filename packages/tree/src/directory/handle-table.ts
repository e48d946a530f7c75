import type { FileHandle, Random, Scheduler } from '@ashlar/core';
import type { FileStat } from '@ashlar/host';
import { encodeHandle, gone, headBytes, inodeIn, type FilePlace, type Handles } from './handles.ts';
import { expectedAt, idBytes, isSamePlace, knowsDirectory, placedAt } from './table-record.ts';
import { TableRows, type TableRecords } from './table-rows.ts';
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
    const [inode, id] = [inodeIn(handle), handle.subarray(headBytes)];
    const record = await this.#rows.get(inode, id);
    const found = record === undefined ? undefined : await this.#search.locate({ inode, record });
    if (record === undefined || found === undefined) throw gone();
    const { descriptor, place } = found;
    if (record.misses > 0 || !record.places.some((each) => isSamePlace(each, place))) {
      await this.#rows.turn(inode, async () => {
        const now = await this.#rows.get(inode, id);
        if (now !== undefined) await this.#rows.put(inode, placedAt(now, place), false);
      });
    }
    return descriptor;
  }

  /** A directory that it is found in already has it under that name, too. */
  async expect(stat: FileStat, place: FilePlace): Promise<void> {
    await this.#rows.turn(stat.inode, async () => {
      const record = await this.#rows.of(stat);
      if (record === undefined || knowsDirectory(record, place.directory)) return;
      await this.#rows.put(stat.inode, expectedAt(record, place), true);
    });
  }

  async moved(stat: FileStat, place: FilePlace): Promise<void> {
    await this.#rows.turn(stat.inode, async () => {
      const record = await this.#rows.of(stat);
      if (record === undefined) return;
      await this.#rows.put(stat.inode, placedAt(record, place), !knowsDirectory(record, place.directory));
    });
  }

  forget(handle: FileHandle): Promise<void> {
    const inode = inodeIn(handle);
    return this.#rows.turn(inode, () => this.#rows.drop(inode, handle.subarray(headBytes)));
  }

  /** Rows of files that others removed are looked for from now on. */
  watch(): void {
    this.#sweep.begin();
  }

  close(): Promise<void> {
    return this.#sweep.close();
  }

  /** A new one is durable before anybody has it, and so is a directory that a known one is found in for the first time. */
  async #handleOf(stat: FileStat, place: FilePlace | undefined): Promise<FileHandle> {
    const there = await this.#rows.of(stat);
    if (there !== undefined) {
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
