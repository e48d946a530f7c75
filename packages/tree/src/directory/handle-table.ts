import type { FileHandle, ObjectStore, Random } from '@ashlar/core';
import { closeDescriptor, nextEntries, openAgain, openToName, statOpen, type FileStat } from '@ashlar/host';
import { encodeHandle, gone, headBytes, inodeIn, type FilePlace, type Handles } from './handles.ts';
import { isDot, isDotDot } from '../names.ts';
import { decodeRecord, encodeRecord, idBytes, isOf, isSamePlace, placedAt, type TableRecord } from './table-record.ts';

type Parts = {
  readonly records: Pick<ObjectStore, 'commit' | 'getRecord'>;
  readonly random: Random;
  /** What keys of the table begin with. */
  readonly key: Uint8Array;
  readonly root: { readonly descriptor: number; readonly stat: FileStat };
};

const kind = 2;
/** Directories within each other; more is a circle of records. */
const mostDepth = 1000;
/** Entries that are looked through at once. */
const atOnce = 1000;

/** Handles that are on record with where their files were found. What is found there is looked at: it must be the same inode, born at the same time. */
export class HandleTable implements Handles {
  readonly #parts: Parts;
  /** Records that are being made: a file gets one. */
  readonly #making = new Map<bigint, Promise<FileHandle>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  isOne(handle: FileHandle): boolean {
    return handle[0] === kind && handle.length === headBytes + idBytes;
  }

  async of(_descriptor: number, stat: FileStat, place: FilePlace | undefined): Promise<FileHandle> {
    const before = this.#making.get(stat.inode);
    if (before !== undefined) return before;
    const making = this.#handleOf(stat, place);
    this.#making.set(stat.inode, making);
    try {
      return await making;
    } finally {
      this.#making.delete(stat.inode);
    }
  }

  async open(handle: FileHandle): Promise<number> {
    const inode = inodeIn(handle);
    const record = await this.#get(inode);
    if (record === undefined || Buffer.compare(record.id, handle.subarray(headBytes)) !== 0) throw gone();
    return this.#locate(inode, record, 0);
  }

  async moved(inode: bigint, place: FilePlace | undefined): Promise<void> {
    const record = await this.#get(inode);
    if (record === undefined) return;
    if (place !== undefined) await this.#put(inode, placedAt(record, place), false);
    else await this.#parts.records.commit([{ key: this.#keyOf(inode), value: null }], false);
  }

  /** A new one is durable before anybody has it. */
  async #handleOf(stat: FileStat, place: FilePlace | undefined): Promise<FileHandle> {
    const there = await this.#get(stat.inode);
    if (there !== undefined && isOf(there, stat)) {
      const isKnown = place === undefined || there.places.some((each) => isSamePlace(each, place));
      if (!isKnown) await this.#put(stat.inode, placedAt(there, place), false);
      return encodeHandle(kind, 0, stat.inode, there.id);
    }
    const id = new Uint8Array(idBytes);
    this.#parts.random.fill(id);
    await this.#put(stat.inode, { id, born: stat.born, places: place === undefined ? [] : [place] }, true);
    return encodeHandle(kind, 0, stat.inode, id);
  }

  /** Opens a file where it was found, or in a directory where it had another name. The caller closes what it gets. */
  async #locate(inode: bigint, record: TableRecord, depth: number): Promise<number> {
    if (depth > mostDepth) throw gone();
    for (const { directory, name } of record.places) {
      const found = await this.#within(directory, depth, (parent) => openThat(parent, name, inode, record));
      if (found !== undefined) return found;
    }
    for (const { directory } of record.places) {
      let place: FilePlace | undefined;
      const found = await this.#within(directory, depth, (parent) =>
        namesOf(parent, inode).reduce<number | undefined>((before, name) => {
          if (before !== undefined) return before;
          place = { directory, name };
          return openThat(parent, name, inode, record);
        }, undefined),
      );
      if (found === undefined) continue;
      await this.#put(inode, placedAt(record, place!), false);
      return found;
    }
    throw gone();
  }

  /** Does something with a directory that is open; nothing where that is gone. */
  async #within<T>(directory: bigint, depth: number, use: (descriptor: number) => T): Promise<T | undefined> {
    const { root } = this.#parts;
    if (directory === root.stat.inode) return use(root.descriptor);
    const record = await this.#get(directory);
    if (record === undefined) return undefined;
    const descriptor = await this.#locate(directory, record, depth + 1).catch(() => -1);
    if (descriptor < 0) return undefined;
    try {
      return use(descriptor);
    } finally {
      closeDescriptor(descriptor);
    }
  }

  async #get(inode: bigint): Promise<TableRecord | undefined> {
    const value = await this.#parts.records.getRecord(this.#keyOf(inode));
    return value === undefined ? undefined : decodeRecord(value);
  }

  async #put(inode: bigint, record: TableRecord, durable: boolean): Promise<void> {
    await this.#parts.records.commit([{ key: this.#keyOf(inode), value: encodeRecord(record) }], durable);
  }

  #keyOf(inode: bigint): Uint8Array {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(inode);
    return Buffer.concat([this.#parts.key, number]);
  }
}

/** The file of a name, where it is the one that is looked for. */
function openThat(parent: number, name: Uint8Array, inode: bigint, record: TableRecord): number | undefined {
  const descriptor = openToName(parent, name);
  if (descriptor < 0) return undefined;
  const stat = statOpen(descriptor);
  if (typeof stat !== 'number' && stat.inode === inode && isOf(record, stat)) return descriptor;
  closeDescriptor(descriptor);
  return undefined;
}

/** Names in a directory that an inode has. */
function namesOf(parent: number, inode: bigint): Uint8Array[] {
  const descriptor = openAgain(parent, 'read');
  if (descriptor < 0) return [];
  try {
    const names: Uint8Array[] = [];
    for (;;) {
      const found = nextEntries(descriptor, atOnce);
      if (typeof found === 'number' || found.length === 0) return names;
      for (const each of found) if (each.inode === inode && !isDots(each.name)) names.push(each.name);
    }
  } finally {
    closeDescriptor(descriptor);
  }
}

const isDots = (name: Uint8Array): boolean => isDot(name) || isDotDot(name);
