import { assert, MiB } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { blockSize } from './checksum.ts';

const mostRegionBytes = 4 * MiB;
const absent = -1;
/** Regions that are made before they are needed, all at once: each waits for its turn behind the reads that are under way. */
const regionsAhead = 8;
/** What a frame takes in the tables. */
const tableBytes = 8 + 1 + 2 * 4;

/**
 * Blocks of the disk that were verified, by place (slot × blocks of a slot + block), in memory of set size: a read that finds
 * its block here asks no system call and takes no checksum. What was not looked at for a while gives way (CLOCK). Its tables are
 * plain arrays, so that a block costs some 17 bytes besides its own.
 */
export class BlockCache {
  readonly #host: Pick<Host, 'populatedBuffer'>;
  readonly #framesEach: number;
  readonly #mostFrames: number;
  readonly #blocksEach: number;
  readonly #regions: Uint8Array[] = [];
  /** By frame: the place that it holds + 1; 0 where it is free. */
  readonly #places: Float64Array;
  /** By frame: it was looked at since the hand came by. */
  readonly #looked: Uint8Array;
  /** Open addressing with linear probing: frame + 1, or 0. At most half full. */
  readonly #table: Int32Array;
  readonly #free: number[] = [];
  /** Frames that there is memory for. */
  #frames = 0;
  #used = 0;
  #hand = 0;
  /** Memory that is on its way. */
  readonly #growing = new Set<Promise<void>>();

  /** The tables have their full size at once: the system gives memory for what is touched of them, and nothing ever grows. */
  constructor(host: Pick<Host, 'populatedBuffer'>, limitBytes: number, blocksEach: number) {
    this.#host = host;
    this.#framesEach = Math.floor(Math.min(limitBytes, mostRegionBytes) / blockSize);
    this.#mostFrames =
      this.#framesEach === 0 ? 0 : Math.floor(limitBytes / blockSize / this.#framesEach) * this.#framesEach;
    this.#blocksEach = blocksEach;
    this.#places = new Float64Array(this.#mostFrames);
    this.#looked = new Uint8Array(this.#mostFrames);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(this.#mostFrames * 2 + 1)));
  }

  /** Bytes of memory that it holds. */
  get heldBytes(): number {
    return this.#frames * (blockSize + tableBytes);
  }

  /** Bytes of blocks that it may hold. */
  get limitBytes(): number {
    return this.#mostFrames * blockSize;
  }

  /** Settles when the memory for new blocks is there that is on its way now, if any is needed. */
  async growth(): Promise<void> {
    if (this.#free.length > 0) return;
    this.#grow();
    await Promise.race(this.#growing);
  }

  /** Another block needs nobody's place. */
  get hasRoom(): boolean {
    return this.#used < this.#mostFrames;
  }

  has(place: number): boolean {
    return this.#find(place) !== absent;
  }

  /** Copies bytes [from, to) of a block to `into` at `at`; false where the block is not here. */
  copyOut(place: number, from: number, to: number, into: Uint8Array, at: number): boolean {
    const frame = this.#find(place);
    if (frame === absent) return false;
    this.#looked[frame] = 1;
    const start = (frame % this.#framesEach) * blockSize;
    into.set(this.#region(frame).subarray(start + from, start + to), at);
    return true;
  }

  /**
   * Keeps a copy of a block that was read, the one at `at` of `from`, in place of what was kept of that place. A new one is not
   * kept while the memory for it is still to come.
   */
  insert(place: number, from: Uint8Array, at: number): void {
    if (this.#frames < this.#mostFrames) this.#grow();
    this.#put(place, from, at);
  }

  /**
   * Keeps a copy of blocks that were written, from `place` on. What was kept of them is replaced; new ones are kept as long as there
   * is memory that nobody needs: a writer does not wait for more, nor does a long stream of writes put out what is read.
   */
  insertWritten(place: number, from: Uint8Array): void {
    for (let at = 0; at < from.length; at += blockSize) {
      if (this.#free.length > 0 || this.has(place + at / blockSize)) this.#put(place + at / blockSize, from, at);
    }
  }

  #put(place: number, from: Uint8Array, at: number): void {
    let frame = this.#find(place);
    if (frame === absent) {
      frame = this.#takeFrame();
      if (frame === absent) return;
      this.#add(frame, place);
    }
    this.#region(frame).set(from.subarray(at, at + blockSize), (frame % this.#framesEach) * blockSize);
  }

  /** Forgets the blocks of a slot: something else will lie there. */
  dropSlot(slot: number): void {
    if (this.#used === 0) return;
    const first = slot * this.#blocksEach;
    for (let place = first; place < first + this.#blocksEach; place += 1) this.drop(place);
  }

  drop(place: number): void {
    const frame = this.#find(place);
    if (frame === absent) return;
    this.#remove(frame);
    this.#free.push(frame);
  }

  /** What is kept of a place is that of another from now on, where the same bytes lie. */
  move(from: number, to: number): void {
    this.drop(to);
    const frame = this.#find(from);
    if (frame === absent) return;
    const looked = this.#looked[frame] ?? 0;
    this.#remove(frame);
    this.#add(frame, to);
    this.#looked[frame] = looked;
  }

  #region(frame: number): Uint8Array {
    const region = this.#regions[Math.floor(frame / this.#framesEach)];
    assert(region !== undefined, 'a frame lies in a region');
    return region;
  }

  /** A frame that holds nothing, or `absent`. */
  #takeFrame(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#frames < this.#mostFrames) return absent;
    for (let frame = this.#hand; this.#frames > 0; frame = this.#hand) {
      this.#hand = (frame + 1) % this.#frames;
      if (this.#looked[frame] === 0) {
        this.#remove(frame);
        return frame;
      }
      this.#looked[frame] = 0;
    }
    return absent;
  }

  /** Has memory made for more frames, before they are needed. */
  #grow(): void {
    while (this.#ahead < regionsAhead && this.#frames + this.#coming < this.#mostFrames) {
      const growing = this.#host.populatedBuffer(this.#framesEach * blockSize).then(
        (memory) => {
          this.#growing.delete(growing);
          this.#addRegion(memory);
        },
        () => {
          // A machine without memory has a smaller cache for now.
          this.#growing.delete(growing);
        },
      );
      this.#growing.add(growing);
    }
  }

  /** Frames that there will be memory for. */
  get #coming(): number {
    return this.#growing.size * this.#framesEach;
  }

  /** Regions that nothing is in yet, those on their way among them. */
  get #ahead(): number {
    return this.#growing.size + this.#free.length / this.#framesEach;
  }

  #addRegion(memory: Uint8Array): void {
    const first = this.#frames;
    this.#regions.push(memory);
    this.#frames += this.#framesEach;
    for (let frame = this.#frames - 1; frame >= first; frame -= 1) this.#free.push(frame);
  }

  #find(place: number): number {
    const mask = this.#table.length - 1;
    for (let at = hashOf(place) & mask; ; at = (at + 1) & mask) {
      const frame = (this.#table[at] ?? 0) - 1;
      if (frame < 0 || this.#places[frame] === place + 1) return frame;
    }
  }

  #add(frame: number, place: number): void {
    this.#places[frame] = place + 1;
    this.#looked[frame] = 0;
    this.#used += 1;
    this.#link(frame, place);
  }

  #link(frame: number, place: number): void {
    const mask = this.#table.length - 1;
    let at = hashOf(place) & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = frame + 1;
  }

  /** Takes a frame out of the table; those behind it in its run move up, so that each is found from where its search begins. */
  #remove(frame: number): void {
    const mask = this.#table.length - 1;
    const place = (this.#places[frame] ?? 0) - 1;
    assert(place >= 0, 'a frame that is taken out holds a block');
    let hole = hashOf(place) & mask;
    while (this.#table[hole] !== frame + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const start = hashOf((this.#places[(this.#table[at] ?? 0) - 1] ?? 0) - 1) & mask;
      // It may stand in the hole if its search passes there: if the hole is not before its start.
      if (((at - start) & mask) < ((at - hole) & mask)) continue;
      this.#table[hole] = this.#table[at] ?? 0;
      hole = at;
    }
    this.#table[hole] = 0;
    this.#places[frame] = 0;
    this.#used -= 1;
  }
}

/** Neighbours lie apart, so that runs of the table stay short. */
function hashOf(place: number): number {
  const mixed = Math.imul((place % 2 ** 32) ^ Math.imul(place / 2 ** 32, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
