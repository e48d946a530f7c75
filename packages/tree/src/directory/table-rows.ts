import type { FileHandle, ObjectStore } from '@ashlar/core';
import { decodeRecord, encodeRecord, type TableRecord } from './table-record.ts';

export type TableRecords = Pick<ObjectStore, 'commit' | 'getRecord' | 'scanRecords'>;

export type TableRow = { readonly inode: bigint; readonly record: TableRecord };

const inodeBytes = 8;
const behindAll = 0xff;

/** Rows of a table of handles, by the inodes of files. */
export class TableRows {
  readonly #records: TableRecords;
  readonly #key: Uint8Array;
  readonly #turns = new Map<bigint, Promise<unknown>>();

  /** `key`: what keys of the table begin with. */
  constructor(records: TableRecords, key: Uint8Array) {
    this.#records = records;
    this.#key = key;
  }

  async get(inode: bigint): Promise<TableRecord | undefined> {
    const value = await this.#records.getRecord(this.#keyOf(inode));
    return value === undefined ? undefined : decodeRecord(value);
  }

  async put(inode: bigint, record: TableRecord, durable: boolean): Promise<void> {
    await this.#records.commit([{ key: this.#keyOf(inode), value: encodeRecord(record) }], durable);
  }

  async drop(inode: bigint): Promise<void> {
    await this.#records.commit([{ key: this.#keyOf(inode), value: null }], false);
  }

  /** One after the other for each file: whoever changes a row goes by what it is. */
  async turn<T>(inode: bigint, change: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(inode);
    const result = before === undefined ? change() : before.then(change, change);
    this.#turns.set(inode, result);
    try {
      return await result;
    } finally {
      if (this.#turns.get(inode) === result) this.#turns.delete(inode);
    }
  }

  /** Those behind an inode in the order of their numbers, at most so many; what is no row is not among them. `last`: where to go on, unless that was all. */
  async behind(
    inode: bigint,
    most: number,
  ): Promise<{ readonly rows: readonly TableRow[]; readonly last: bigint | undefined }> {
    const from = Buffer.concat([this.#keyOf(inode), Buffer.of(0)]);
    const to = Buffer.concat([this.#key, Buffer.alloc(inodeBytes + 1, behindAll)]);
    const found = await this.#records.scanRecords(from, to, most);
    const all = found.map(({ key, value }) => ({ inode: this.#inodeOf(key), record: decodeRecord(value) }));
    const rows = all.filter((row): row is TableRow => row.record !== undefined);
    return { rows, last: found.length === most ? all.at(-1)?.inode : undefined };
  }

  #inodeOf(key: Uint8Array): bigint {
    return Buffer.from(key).readBigUInt64BE(this.#key.length);
  }

  #keyOf(inode: bigint): Uint8Array {
    const number = Buffer.alloc(inodeBytes);
    number.writeBigUInt64BE(inode);
    return Buffer.concat([this.#key, number]);
  }
}

export const isId = ({ id }: TableRecord, inner: FileHandle): boolean => Buffer.compare(id, inner) === 0;
