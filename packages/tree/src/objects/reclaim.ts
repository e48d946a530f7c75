import { isPromise, type ObjectId, type RecordChange } from '@ashlar/core';
import type { Inode } from './inode.ts';
import { freeRegionKey, orphanKey } from './keys.ts';
import type { RegionAllocator } from './region-allocator.ts';
import { regionGroups } from './region-tables.ts';
import { regionBytes, regionOf } from './regions.ts';
import type { TreeRecords } from './tree-records.ts';
import type { TreeStore } from './tree-state.ts';
import type { FileGates } from './file-gates.ts';

type ReclaimParts = {
  readonly store: Pick<TreeStore, 'trim' | 'extents'>;
  readonly object: ObjectId;
  readonly records: TreeRecords;
  readonly regions: RegionAllocator;
  readonly gates: FileGates;
};

/** Gives the bytes of files back that are gone, one behind the other. What is cut off goes on with the next start, as long as it is on record. */
export class Reclaimer {
  readonly #parts: ReclaimParts;
  readonly #waiting: Inode[] = [];
  #running: Promise<void> | undefined;
  #isEnding = false;
  /** Who waits for some room. */
  #hopeful: (() => void)[] = [];

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
  }

  add(inode: Inode): void {
    this.#waiting.push(inode);
    this.#running ??= this.#run();
  }

  /** Looks at what may lie in free regions behind a crash, and gives it back. */
  sweep(): void {
    this.#running ??= this.#run();
  }

  /** Settles when some room came back, or nothing is left to come; nothing where nothing is under way. */
  progress(): Promise<void> | undefined {
    if (this.#running === undefined) return undefined;
    return new Promise((resolve) => this.#hopeful.push(resolve));
  }

  /** Settles when nothing is left. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Settles when nothing is under way; what waits stays on record. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.idle();
  }

  async #run(): Promise<void> {
    // Who removed it goes first.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (!this.#isEnding && (await this.#step()));
    } catch {
      // The store is full, or refuses everything, and says so to whoever asks it for something: the next file that is gone is another try, or else the next start.
    }
    this.#running = undefined;
    this.#tell();
  }

  #tell(): void {
    const hopeful = this.#hopeful;
    this.#hopeful = [];
    for (const resolve of hopeful) resolve();
  }

  /** Gives whether there was something to do. */
  async #step(): Promise<boolean> {
    const [inode] = this.#waiting;
    if (inode !== undefined) {
      await this.#reclaim(inode);
      this.#waiting.shift();
      return true;
    }
    const { object, regions, store } = this.#parts;
    const suspect = regions.suspect();
    if (suspect === undefined) return false;
    const { base, regionClass } = suspect;
    const size = regionBytes(regionClass);
    const [first] = await store.extents(object, base, size, 1);
    // Whoever took it meanwhile trimmed it.
    const isFree = regions.suspect()?.base === base;
    regions.cleared(base);
    const isEmpty = first?.state !== 'data' && first?.length === size;
    if (isFree && !isEmpty) await store.trim(object, base, size, false);
    this.#tell();
    return true;
  }

  async #reclaim(inode: Inode): Promise<void> {
    // The store may let a write wait, and what comes behind it go first.
    await this.#parts.gates.idle(inode.number);
    for (const { bases, first, key } of regionGroups(inode)) {
      await this.#give(key ?? orphanKey(inode.number), bases, first);
    }
  }

  /** Regions are free, and what had them on record is gone. */
  async #give(key: Uint8Array, bases: readonly number[], first: number): Promise<void> {
    const { object, records, regions, store } = this.#parts;
    const changes: RecordChange[] = [{ key, value: null }];
    const free: { readonly regionClass: number; readonly base: number }[] = [];
    for (const [at, base] of bases.entries()) {
      if (base < 0) continue;
      const { regionClass } = regionOf(first + at);
      const trimmed = store.trim(object, base, regionBytes(regionClass), false);
      if (isPromise(trimmed)) await trimmed;
      this.#tell();
      free.push({ regionClass, base });
      changes.push({ key: freeRegionKey(regionClass, base), value: Buffer.alloc(0) });
    }
    const committed = records.commit(changes, true);
    if (isPromise(committed)) await committed;
    for (const { base, regionClass } of free) regions.give(regionClass, base);
  }
}
