import type { ObjectStore } from '@ashlar/core';
import type { FileStat } from '@ashlar/host';
import { decodeRecord, encodeRecord, idBytes, isOf, type TableRecord } from './table-record.ts';

export type TableRecords = Pick<ObjectStore, 'commit' | 'getRecord' | 'scanRecords'>;

export type TableRow = { readonly inode: bigint; readonly record: TableRecord };

const inodeBytes = 8;
const behindAll = 0xff;
/** Files that had the number of one inode, one after the other, and are looked at. */
const mostOfInode = 64;

/**
 * Rows of a table of handles: of each file one, by the number of its inode and by that which only it has. A file that was removed keeps its row when another has its inode: until the removal is
 * durable it may be there again.
 */
export class TableRows {
  readonly #records: TableRecords;
  readonly #key: Uint8Array;
  readonly #turns = new Map<bigint, Promise<unknown>>();

  /** `key`: what keys of the table begin with. */
  constructor(records: TableRecords, key: Uint8Array) {
    this.#records = records;
    this.#key = key;
  }

  async get(inode: bigint, id: Uint8Array): Promise<TableRecord | undefined> {
    const value = await this.#records.getRecord(this.#keyOf(inode, id));
    return value === undefined ? undefined : decodeRecord(value);
  }

  /** Of all files that had that inode. */
  async all(inode: bigint): Promise<readonly TableRecord[]> {
    const [from, to] = [this.#keyOf(inode, Buffer.of()), this.#keyOf(inode, Buffer.alloc(idBytes + 1, behindAll))];
    const found = await this.#records.scanRecords(from, to, mostOfInode);
    return found.map(({ value }) => decodeRecord(value)).filter((each) => each !== undefined);
  }

  /** Of the file that has it now. */
  async of(stat: FileStat): Promise<TableRecord | undefined> {
    return (await this.all(stat.inode)).find((each) => isOf(each, stat));
  }

  async put(inode: bigint, record: TableRecord, durable: boolean): Promise<void> {
    await this.#records.commit([{ key: this.#keyOf(inode, record.id), value: encodeRecord(record) }], durable);
  }

  async drop(inode: bigint, id: Uint8Array): Promise<void> {
    await this.#records.commit([{ key: this.#keyOf(inode, id), value: null }], false);
  }

  /** One after the other for each inode: whoever changes a row goes by what it is. */
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

  /** Rows in the order of their keys, from behind one or from the first on, at most so many. `last`: where to go on, unless that was all. */
  async behind(
    key: Uint8Array | undefined,
    most: number,
  ): Promise<{ readonly rows: readonly TableRow[]; readonly last: Uint8Array | undefined }> {
    const from = key === undefined ? this.#key : Buffer.concat([key, Buffer.of(0)]);
    const to = Buffer.concat([this.#key, Buffer.alloc(inodeBytes + idBytes + 1, behindAll)]);
    const found = await this.#records.scanRecords(from, to, most);
    const rows = found.flatMap(({ key: each, value }) => {
      const record = decodeRecord(value);
      return record === undefined ? [] : [{ inode: Buffer.from(each).readBigUInt64BE(this.#key.length), record }];
    });
    return { rows, last: found.length === most ? found.at(-1)?.key : undefined };
  }

  #keyOf(inode: bigint, id: Uint8Array): Uint8Array {
    const number = Buffer.alloc(inodeBytes);
    number.writeBigUInt64BE(inode);
    return Buffer.concat([this.#key, number, id]);
  }
}
