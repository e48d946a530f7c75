import { AshlarError, assert } from '@ashlar/core';
import { blockSize } from './checksum.ts';

/** Slots (or pages) that one record of the database says the use of: one bit each, the lowest bit of a byte first. */
export const slotsInBitmap = blockSize * 8;

/**
 * Which slots (or pages) are in use. `live` is what may not be given out now; `durable` is what the last checkpoint
 * refers to, and what is written down. A slot leaves `live` only by `release`, which the checkpoint calls after its
 * commit is durable (rule 1e).
 */
export class SlotBitmap {
  #live = new Uint32Array(slotsInBitmap / 32);
  #durable = new Uint32Array(slotsInBitmap / 32);
  #liveCount = 0;
  #next = 0;
  /** Free slots whose room the host still keeps for them: the first to be used again. */
  readonly #warm: number[] = [];
  readonly #dirty = new Set<number>();
  /** What `setDurable` changed since the last commit, and what it was before. */
  readonly #before = new Map<number, boolean>();
  readonly #most: number;

  /** `most`: slots that there are places for. */
  constructor(most = Infinity) {
    this.#most = most;
  }

  /** Slots in use, those that only the journal knows included. */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** One above the highest slot that can be named without growing. */
  get capacity(): number {
    return this.#live.length * 32;
  }

  /**
   * A slot that has room on the host where there is one, else the next free one: neighbours in time are neighbours in place. Throws `no-space` where
   * all are in use.
   */
  allocate(): number {
    for (let slot = this.#warm.pop(); slot !== undefined; slot = this.#warm.pop()) {
      if (this.isLive(slot)) continue;
      const next = this.#next;
      this.#take(slot);
      this.#next = next;
      return slot;
    }
    const words = this.#live.length;
    const start = this.#next >>> 5;
    for (let step = 0; step < words; step += 1) {
      const index = (start + step) % words;
      const word = this.#live[index] ?? 0;
      if (word === 0xffffffff) continue;
      const slot = index * 32 + 31 - Math.clz32(~word & -~word);
      if (slot >= this.#most) continue;
      this.#take(slot);
      return slot;
    }
    const slot = words * 32;
    if (slot >= this.#most) throw new AshlarError('no-space', `all ${this.#most} slots of the pool are in use`);
    this.#grow(slot);
    this.#take(slot);
    return slot;
  }

  /** Marks a slot that recovery found referred to by the journal. */
  claim(slot: number): void {
    this.#grow(slot);
    if (!this.isLive(slot)) this.#take(slot);
  }

  /** Gives a slot back. It must not be referred to by the last checkpoint any more. */
  release(slot: number): void {
    assert(this.isLive(slot), 'a slot is released once');
    assert(!this.isDurable(slot), 'a slot that the last checkpoint refers to is not released (rule 1e)');
    this.#live[slot >>> 5] = (this.#live[slot >>> 5] ?? 0) & ~(1 << (slot & 31));
    this.#liveCount -= 1;
    if (slot < this.#next) this.#next = slot;
  }

  /** Gives a slot back and remembers that the host keeps its room. */
  releaseWarm(slot: number): void {
    this.release(slot);
    this.#warm.push(slot);
  }

  /** The oldest slots whose room the host keeps without need, above that many. */
  takeWarm(keep: number): number[] {
    const taken = this.#warm.splice(0, Math.max(0, this.#warm.length - keep));
    return taken.filter((slot) => !this.isLive(slot));
  }

  isLive(slot: number): boolean {
    return ((this.#live[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0;
  }

  isDurable(slot: number): boolean {
    return ((this.#durable[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0;
  }

  /** Says what the next commit refers to; part of a checkpoint. */
  setDurable(slot: number, inUse: boolean): void {
    this.#grow(slot);
    if (!this.#before.has(slot)) this.#before.set(slot, this.isDurable(slot));
    this.#mark(slot, inUse);
  }

  /** The commit is durable. */
  committed(): void {
    this.#before.clear();
  }

  /** The checkpoint failed: `durable` is again what the last commit refers to. */
  rollBack(): void {
    for (const [slot, inUse] of this.#before) this.#mark(slot, inUse);
    this.#before.clear();
  }

  /** The pages of `durable` that changed since the last call, each one block. */
  takeDirty(): { readonly index: number; readonly bytes: Uint8Array }[] {
    const pages = [...this.#dirty].map((index) => {
      const words = this.#durable.slice((index * slotsInBitmap) / 32, ((index + 1) * slotsInBitmap) / 32);
      return { index, bytes: new Uint8Array(words.buffer) };
    });
    this.#dirty.clear();
    return pages;
  }

  /** Takes one written page over, at start. */
  load(index: number, bytes: Uint8Array): void {
    this.#grow((index + 1) * slotsInBitmap - 1);
    const words = new Uint32Array(Uint8Array.from(bytes).buffer);
    const first = (index * slotsInBitmap) / 32;
    this.#durable.set(words, first);
    const live = this.#live.subarray(first, first + words.length);
    for (const [at, bits] of words.entries()) {
      const before = live[at] ?? 0;
      live[at] = before | bits;
      this.#liveCount += countBits(bits & ~before);
    }
  }

  #mark(slot: number, inUse: boolean): void {
    const word = this.#durable[slot >>> 5] ?? 0;
    const bit = 1 << (slot & 31);
    this.#durable[slot >>> 5] = inUse ? word | bit : word & ~bit;
    this.#dirty.add(Math.floor(slot / slotsInBitmap));
  }

  #take(slot: number): void {
    this.#live[slot >>> 5] = (this.#live[slot >>> 5] ?? 0) | (1 << (slot & 31));
    this.#liveCount += 1;
    this.#next = slot + 1;
    if (this.#next >= this.capacity) this.#next = 0;
  }

  #grow(slot: number): void {
    if (slot < this.capacity) return;
    let words = this.#live.length;
    while (slot >= words * 32) words *= 2;
    this.#live = enlarged(this.#live, words);
    this.#durable = enlarged(this.#durable, words);
  }
}

function enlarged(from: Uint32Array<ArrayBuffer>, words: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words);
  larger.set(from);
  return larger;
}

/** By sums of neighbours that grow: of 2, 4 and 8 bits, and then all four bytes at once. */
function countBits(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
