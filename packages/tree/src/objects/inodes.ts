import { andThen, AshlarError, isPromise, type RecordChange, type Settled } from '@ashlar/core';
import { InodeCache } from './inode-cache.ts';
import { decodeHead, encodeInode, type Inode, type InodeHead } from './inode.ts';
import { inodeKey } from './keys.ts';
import { tableChanges, withTables } from './region-tables.ts';
import type { RecordsReader } from './tree-records.ts';

/** Inodes that are looked at again and again, and those that changed and are not on record: what is here is what they are. */
export class Inodes {
  readonly #records: RecordsReader;
  readonly #clean: InodeCache;
  readonly #dirty = new Map<number, Inode>();
  readonly #asked = new Map<number, Promise<Inode | undefined>>();

  constructor(records: RecordsReader, mostClean: number) {
    this.#records = records;
    this.#clean = new InodeCache(mostClean);
  }

  /** How many are not on record. */
  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** Nothing where there is none of that number. */
  find(number: number): Settled<Inode | undefined> {
    const there = this.#dirty.get(number) ?? this.#clean.get(number) ?? this.#asked.get(number);
    if (there !== undefined) return there;
    const loading = andThen(this.#records.get(inodeKey(number)), (record) =>
      record === undefined ? undefined : withTables(this.#records, number, record),
    );
    if (!isPromise(loading)) return this.#kept(loading);
    const asked = loading.then((inode) => {
      // It was changed or removed since, and what came is what it was.
      if (this.#asked.get(number) !== asked) return this.find(number);
      this.#asked.delete(number);
      return this.#kept(inode);
    });
    this.#asked.set(number, asked);
    return asked;
  }

  /** What `find` finds, as far as a listing tells it: one that is looked at once, among many, takes nobody's place. */
  glance(number: number): Settled<InodeHead | undefined> {
    const there = this.#dirty.get(number) ?? this.#clean.peek(number) ?? this.#asked.get(number);
    if (there !== undefined) return there;
    return andThen(this.#records.get(inodeKey(number)), (record) =>
      record === undefined ? undefined : decodeHead(number, record),
    );
  }

  /** Throws `stale` where there is none of that number and generation. */
  get(number: number, generation: number): Settled<Inode> {
    return andThen(this.find(number), (inode) => {
      if (inode !== undefined && inode.generation === generation) return inode;
      throw new AshlarError('stale', 'the file is gone');
    });
  }

  /** It is so from now on, and on record with the next batch that has it. */
  change(inode: Inode): void {
    this.#asked.delete(inode.number);
    // It hides what is kept of it besides, until that is what it is.
    this.#dirty.set(inode.number, inode);
  }

  /** The changes of its records. */
  record(inode: Inode): RecordChange[] {
    return [{ key: inodeKey(inode.number), value: encodeInode(inode) }, ...tableChanges(inode)];
  }

  /** Its record says so now. */
  recorded(inode: Inode): void {
    if (this.#dirty.get(inode.number) !== inode) return;
    this.#dirty.delete(inode.number);
    this.#clean.set(inode.number, inode.changedTables.length === 0 ? inode : { ...inode, changedTables: [] });
  }

  /** The same of one that is no more. */
  removal(number: number): RecordChange {
    this.forget(number);
    return { key: inodeKey(number), value: null };
  }

  /** What is on record is what it is. */
  forget(number: number): void {
    this.#asked.delete(number);
    this.#dirty.delete(number);
    this.#clean.delete(number);
  }

  /** The same of one number. */
  dirtyOf(number: number): Inode[] {
    const inode = this.#dirty.get(number);
    return inode === undefined ? [] : [inode];
  }

  /** Those that are not on record. */
  dirty(): Inode[] {
    return [...this.#dirty.values()];
  }

  #kept(inode: Inode | undefined): Inode | undefined {
    if (inode !== undefined) this.#clean.set(inode.number, inode);
    return inode;
  }
}
