import { assert } from '@ashlar/core';
import { addressOf } from './memory.ts';

/** Parts that one vectored call takes (limits.h). */
export const maximumParts = 1024;

const wordsEach = 4;
const high = 2 ** 32;

/** An array of `struct iovec` (two 64-bit words each: address, length). */
export class IoVector {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  count = 0;
  /** Bytes of all parts. */
  total = 0;

  constructor(capacity: number) {
    assert(capacity <= maximumParts, 'a vector has at most IOV_MAX parts');
    this.#words = new Uint32Array(capacity * wordsEach);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  clear(): void {
    this.count = 0;
    this.total = 0;
  }

  get full(): boolean {
    return this.count * wordsEach === this.#words.length;
  }

  /** The caller keeps what is at `start` alive until the call is over. */
  add(start: number, length: number): void {
    assert(!this.full && length >= 0 && length < high, 'a part fits');
    const at = this.count * wordsEach;
    this.#words[at] = start % high;
    this.#words[at + 1] = start / high;
    this.#words[at + 2] = length;
    this.#words[at + 3] = 0;
    this.count += 1;
    this.total += length;
  }

  /** What a call is given for `const struct iovec *`. */
  get memory(): Uint8Array {
    return this.#bytes;
  }

  get start(): number {
    return addressOf(this.#bytes);
  }
}
