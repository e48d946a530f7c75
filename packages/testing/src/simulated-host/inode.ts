import type { Extent } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';
import { blockBytes, type SimulatedMemory } from './memory.ts';

const sectorBytes = 512;
const zeros = new Uint8Array(blockBytes);

/** What a sync that began at one moment is to make durable. */
export type Snapshot = {
  /** Counts the file's syncs. */
  readonly order: number;
  readonly blocks: ReadonlyMap<number, Uint8Array | undefined>;
  readonly sizeBytes: number;
};

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, bytes.length === blockBytes ? zeros : zeros.subarray(0, bytes.length)) === 0;
}

/**
 * A file as its machine has it: what processes see (the page cache) and what is on the disk. A block's bytes are never
 * changed in place where the disk or a sync has them as well, so that these cost nothing.
 */
export class Inode {
  readonly #memory: SimulatedMemory;
  /** A disk of its own, which takes no room of the others'. */
  readonly isDevice: boolean;
  sizeBytes = 0;
  /** Opened so many times, and whether a directory names it. */
  openers = 0;
  named = true;
  readonly locks = new Map<object, boolean>();
  /** Shared ones of ranges. */
  rangeLocks: { readonly owner: object; readonly offset: number; readonly end: number }[] = [];
  #diskSize = 0;
  #blocks = new Map<number, Uint8Array>();
  #disk = new Map<number, Uint8Array>();
  /** Room without contents. */
  #reserved = new Set<number>();
  /** Blocks that differ from the disk, the latest change last. */
  #dirty = new Set<number>();
  /** Blocks that a sync that failed lost: they count as clean, and the disk has others. */
  readonly #lost = new Set<number>();
  /** Where the last block on the disk ends. */
  #diskEnd = 0;
  #syncs = 0;
  /** The orders of the sync that began last, and of the last that ended of those that did. */
  #begun = 0;
  #ended = 0;

  /** `deviceBytes`: it is a device of that size. */
  constructor(memory: SimulatedMemory, deviceBytes?: number) {
    this.#memory = memory;
    this.isDevice = deviceBytes !== undefined;
    this.sizeBytes = deviceBytes ?? 0;
    this.#diskSize = this.sizeBytes;
  }

  get allocatedBlocks(): number {
    if (this.isDevice) return 0;
    return this.#blocks.size + this.#reserved.size;
  }

  /** How many blocks of the range have no room yet. */
  missing(offset: number, length: number): number {
    let count = 0;
    if (this.isDevice) return count;
    for (let index = Math.floor(offset / blockBytes); index * blockBytes < offset + length; index += 1) {
      if (!this.#blocks.has(index) && !this.#reserved.has(index)) count += 1;
    }
    return count;
  }

  /** Gives the bytes read: up to the end of the file. */
  read(offset: number, into: Uint8Array): number {
    const length = Math.max(0, Math.min(into.length, this.sizeBytes - offset));
    for (let done = 0; done < length;) {
      const inBlock = (offset + done) % blockBytes;
      const size = Math.min(blockBytes - inBlock, length - done);
      const block = this.#blocks.get(Math.floor((offset + done) / blockBytes)) ?? zeros;
      if (block === zeros) into.fill(0, done, done + size);
      else into.set(size === blockBytes ? block : block.subarray(inBlock, inBlock + size), done);
      done += size;
    }
    return length;
  }

  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length;) {
      const inBlock = (offset + done) % blockBytes;
      const size = Math.min(blockBytes - inBlock, from.length - done);
      const index = Math.floor((offset + done) / blockBytes);
      const part = from.subarray(done, done + size);
      const before = this.#blocks.get(index) ?? zeros;
      if (before === zeros && isZero(part)) this.#set(index, zeros);
      else {
        const block = this.#isOwn(index, before) ? before : this.#memory.block();
        if (block !== before && size < blockBytes) block.set(before);
        block.set(part, inBlock);
        this.#set(index, block);
      }
      done += size;
    }
    if (from.length > 0) this.sizeBytes = Math.max(this.sizeBytes, offset + from.length);
  }

  reserve(offset: number, length: number, grow: boolean): void {
    for (let index = Math.floor(offset / blockBytes); index * blockBytes < offset + length; index += 1) {
      if (!this.#blocks.has(index)) this.#reserved.add(index);
    }
    if (grow) this.sizeBytes = Math.max(this.sizeBytes, offset + length);
  }

  /** Zeros the range inside the file; whole blocks give their room back unless it is kept. */
  clear(offset: number, length: number, keep: boolean): void {
    const end = Math.min(offset + length, keep ? this.sizeBytes : Infinity);
    for (const index of this.#indexes(offset, end)) {
      const start = Math.max(0, offset - index * blockBytes);
      const stop = Math.min(blockBytes, end - index * blockBytes);
      if (start > 0 || stop < blockBytes) {
        const block = this.#blocks.get(index);
        if (block !== undefined) this.#set(index, this.#copy(block).fill(0, start, stop));
        continue;
      }
      if (this.#blocks.delete(index)) this.#touch(index);
      if (keep) this.#reserved.add(index);
      else this.#reserved.delete(index);
    }
  }

  truncate(sizeBytes: number): void {
    // Room that was reserved behind the end goes as well, also where the end stays.
    if (sizeBytes <= this.sizeBytes) this.clear(sizeBytes, Infinity, false);
    this.sizeBytes = sizeBytes;
  }

  extents(offset: number, length: number, limit: number): Extent[] {
    const found: Extent[] = [];
    const end = offset + length;
    for (let at = offset; at < end;) {
      const state = this.#blocks.has(Math.floor(at / blockBytes)) && at < this.sizeBytes ? 'data' : 'hole';
      const stop = state === 'data' ? (Math.floor(at / blockBytes) + 1) * blockBytes : this.#nextData(at, end);
      const last = found.at(-1);
      const size = Math.min(stop, end) - at;
      if (last?.state === state) found[found.length - 1] = { ...last, length: last.length + size };
      else if (found.length === limit) break;
      else found.push({ offset: at, length: size, state });
      at += size;
    }
    return found;
  }

  beginSync(): Snapshot {
    this.#syncs += 1;
    this.#begun += 1;
    return {
      order: this.#begun,
      blocks: new Map([...this.#dirty].map((index) => [index, this.#blocks.get(index)])),
      sizeBytes: this.sizeBytes,
    };
  }

  endSync({ order, blocks, sizeBytes }: Snapshot): void {
    this.#syncs -= 1;
    // One that began later has made all this durable already, and newer than this.
    if (order < this.#ended) return;
    this.#ended = order;
    for (const [index, block] of blocks) this.#toDisk(index, block);
    this.#diskSize = sizeBytes;
  }

  /**
   * As Linux does it: the pages count as clean afterwards, and part of them never reached the disk. Memory holds those still, or
   * not, as the file system likes.
   */
  failSync({ blocks }: Snapshot, random: SeededRandom): void {
    this.#syncs -= 1;
    const forgets = random.oneIn(3);
    for (const [index, block] of blocks) {
      if (random.oneIn(2)) this.#toDisk(index, block);
      else if (this.#blocks.get(index) === block) {
        this.#dirty.delete(index);
        this.#lost.add(index);
        if (forgets && block !== undefined) this.#blocks.set(index, this.#disk.get(index) ?? zeros);
      }
    }
  }

  /** The kernel writes a few dirty blocks back on its own. */
  writeBackSome(random: SeededRandom, most: number): void {
    if (this.#syncs > 0) return;
    const dirty = [...this.#dirty];
    for (let count = Math.min(random.below(most + 1), dirty.length); count > 0; count -= 1) {
      const index = random.pick(dirty);
      this.#toDisk(index, this.#blocks.get(index));
    }
  }

  /** Of what was not synced any part is on the disk: blocks in any subset, sectors of a block too. */
  losePower(random: SeededRandom): void {
    const dirty = [...this.#dirty];
    const kept = this.#keptOf(random, dirty.length);
    for (const [place, index] of dirty.entries()) {
      const now = this.#blocks.get(index);
      const share = kept(place);
      if (share === 'new') this.#setDisk(index, now);
      else if (share === 'torn') this.#setDisk(index, this.#torn(this.#disk.get(index) ?? zeros, now ?? zeros, random));
    }
    if (this.sizeBytes !== this.#diskSize && random.oneIn(2)) this.#diskSize = this.sizeBytes;
    this.sizeBytes = this.#diskSize;
    // What is clean is the same on both; what lies behind the end is gone.
    for (const index of this.#lost) this.#forgetCached(index);
    for (const index of dirty) this.#forgetCached(index);
    this.#lost.clear();
    if (this.#diskEnd > this.sizeBytes) this.#cutOff();
    this.#afterCrash();
  }

  #cutOff(): void {
    for (const index of this.#disk.keys()) {
      if (index * blockBytes < this.sizeBytes) continue;
      this.#disk.delete(index);
      this.#blocks.delete(index);
    }
    this.#diskEnd = Math.ceil(this.sizeBytes / blockBytes) * blockBytes;
  }

  /** The page cache has what the disk has. */
  #forgetCached(index: number): void {
    const block = this.#disk.get(index);
    const cached = this.#blocks.get(index);
    if (cached !== undefined && cached !== block && cached !== zeros) this.#memory.giveBlock(cached);
    if (block === undefined) this.#blocks.delete(index);
    else {
      this.#blocks.set(index, block);
      this.#reserved.delete(index);
    }
  }

  /** The process is gone: its locks and syncs are, the page cache stays. */
  loseProcess(): void {
    this.#afterCrash(false);
  }

  /** Flips one bit of what is on the disk and in the cache. */
  flipBit(offset: number, random: SeededRandom): void {
    const index = Math.floor(offset / blockBytes);
    const block = this.#copy(this.#blocks.get(index) ?? zeros);
    const place = offset % blockBytes;
    block[place] = (block[place] ?? 0) ^ (1 << random.below(8));
    this.#blocks.set(index, block);
    this.#setDisk(index, block);
  }

  #afterCrash(clean = true): void {
    if (clean) this.#dirty = new Set();
    this.#syncs = 0;
    this.openers = 0;
    this.locks.clear();
    this.rangeLocks = [];
  }

  /** Which of the dirty blocks made it: none, all, any, or those changed first. */
  #keptOf(random: SeededRandom, count: number): (place: number) => 'new' | 'old' | 'torn' {
    const kind = random.below(5);
    if (kind === 0) return () => 'old';
    if (kind === 1) return () => 'new';
    if (kind === 2) {
      const first = random.below(count + 1);
      return (place) => (place < first ? 'new' : place === first ? 'torn' : 'old');
    }
    const oneIn = random.pick([2, 4, 20]);
    const rare = kind === 3 ? 'new' : 'old';
    const common = kind === 3 ? 'old' : 'new';
    return () => (random.oneIn(oneIn) ? (random.oneIn(4) ? 'torn' : rare) : common);
  }

  #set(index: number, block: Uint8Array): void {
    this.#reserved.delete(index);
    this.#blocks.set(index, block);
    this.#touch(index);
  }

  #touch(index: number): void {
    this.#dirty.delete(index);
    this.#dirty.add(index);
  }

  #toDisk(index: number, block: Uint8Array | undefined): void {
    // Clean: it is there already, or a sync that failed has lost it.
    if (!this.#dirty.has(index)) return;
    if (this.#blocks.get(index) === block) this.#dirty.delete(index);
    this.#setDisk(index, block);
  }

  #setDisk(index: number, block: Uint8Array | undefined): void {
    const before = this.#disk.get(index);
    if (block === undefined) this.#disk.delete(index);
    else {
      this.#disk.set(index, block);
      this.#diskEnd = Math.max(this.#diskEnd, (index + 1) * blockBytes);
    }
    const isInUse = before === undefined || before === zeros || before === block || this.#blocks.get(index) === before;
    if (!isInUse && this.#syncs === 0) this.#memory.giveBlock(before);
  }

  /** Only the page cache has that block. */
  #isOwn(index: number, block: Uint8Array): boolean {
    return this.#syncs === 0 && block !== zeros && this.#disk.get(index) !== block;
  }

  #copy(block: Uint8Array): Uint8Array {
    const copy = this.#memory.block();
    copy.set(block);
    return copy;
  }

  #torn(before: Uint8Array, after: Uint8Array, random: SeededRandom): Uint8Array {
    const block = this.#copy(before);
    for (let at = 0; at < blockBytes; at += sectorBytes) {
      if (random.oneIn(2)) block.set(after.subarray(at, at + sectorBytes), at);
    }
    return block;
  }

  #indexes(offset: number, end: number): number[] {
    const first = Math.floor(offset / blockBytes);
    if (end !== Infinity && end / blockBytes - first < 4096) {
      return Array.from({ length: Math.max(0, Math.ceil(end / blockBytes) - first) }, (_, at) => first + at);
    }
    const all = new Set([...this.#blocks.keys(), ...this.#reserved]);
    return [...all].filter((index) => index >= first && index * blockBytes < end);
  }

  #nextData(at: number, end: number): number {
    let next = end;
    for (const index of this.#blocks.keys()) {
      const start = index * blockBytes;
      if (start > at && start < next && start < this.sizeBytes) next = start;
    }
    return next;
  }
}
