import type { Change } from '@ashlar/core';

/** The bits of a bitmap, one for so many bytes of a disk, from the least significant of each byte on. */
export class BitmapBits {
  #bytes: Buffer;
  readonly #granularity: number;
  #sizeBytes: number;

  constructor(sizeBytes: number, granularity: number) {
    this.#granularity = granularity;
    this.#sizeBytes = sizeBytes;
    this.#bytes = Buffer.alloc(bitmapBytes(sizeBytes, granularity));
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** As they are for a disk of another size: what is added to it was not written. */
  resized(sizeBytes: number): BitmapBits {
    const next = new BitmapBits(sizeBytes, this.#granularity);
    this.#clearBehind();
    this.#bytes.copy(next.#bytes);
    next.#clearBehind();
    return next;
  }

  /** They become `resized`. */
  resize(sizeBytes: number): void {
    [this.#bytes, this.#sizeBytes] = [this.resized(sizeBytes).#bytes, sizeBytes];
  }

  #clearBehind(): void {
    const odd = Math.ceil(this.#sizeBytes / this.#granularity) % 8;
    if (odd !== 0) this.#bytes[this.#bytes.length - 1]! &= (1 << odd) - 1;
  }

  /** Each byte of the range was written. */
  set(offset: number, length: number): void {
    if (length === 0) return;
    const last = Math.floor((offset + length - 1) / this.#granularity);
    for (let bit = Math.floor(offset / this.#granularity); bit <= last;) {
      // Eight at once where all of them are meant.
      const isWhole = bit % 8 === 0 && last - bit >= 7;
      const at = Math.floor(bit / 8);
      this.#bytes[at] = isWhole ? 0xff : this.#bytes[at]! | (1 << (bit % 8));
      bit += isWhole ? 8 : 1;
    }
  }

  /** Those that the cluster of an image with that index in its table has; nothing where none of them is set. */
  partOf(index: number, clusterBytes: number): Buffer | undefined {
    const part = this.#bytes.subarray(index * clusterBytes, (index + 1) * clusterBytes);
    return part.every((byte) => byte === 0) ? undefined : part;
  }

  /** Runs of a range that was written, or was not, at most so many. */
  runs(offset: number, length: number, limit: number): readonly Change[] {
    const found: Change[] = [];
    const end = offset + length;
    for (let at = offset; at < end && found.length < limit;) {
      const isChanged = this.#has(Math.floor(at / this.#granularity));
      let bit = Math.floor(at / this.#granularity) + 1;
      while (bit * this.#granularity < end && this.#has(bit) === isChanged) bit += this.#isEven(bit, isChanged) ? 8 : 1;
      const until = Math.min(end, bit * this.#granularity, this.#sizeBytes);
      found.push({ offset: at, length: until - at, isChanged });
      at = until;
    }
    return found;
  }

  #has(bit: number): boolean {
    return ((this.#bytes[Math.floor(bit / 8)]! >>> (bit % 8)) & 1) === 1;
  }

  /** Eight bits are the same. */
  #isEven(bit: number, isChanged: boolean): boolean {
    return bit % 8 === 0 && this.#bytes[bit / 8] === (isChanged ? 0xff : 0);
  }
}

export const bitmapBytes = (sizeBytes: number, granularity: number): number =>
  Math.ceil(Math.ceil(sizeBytes / granularity) / 8);
