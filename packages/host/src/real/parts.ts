import { IoVector, maximumParts } from '../ffi/iovec.ts';
import { addressOf } from '../ffi/memory.ts';

/** A walk over buffers that are written one behind the other, by calls that may each take less than they were given. */
export class PartWalk {
  readonly #parts: readonly Uint8Array[];
  #index = 0;
  #within = 0;
  /** Bytes not yet taken. */
  left: number;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
    this.left = parts.reduce((sum, part) => sum + part.byteLength, 0);
  }

  /** Points the vector at the next parts, as many as it takes. */
  fill(vector: IoVector): void {
    vector.clear();
    let within = this.#within;
    for (let index = this.#index; index < this.#parts.length && !vector.full; index++) {
      const part = this.#parts[index]!;
      if (part.byteLength > within) vector.add(addressOf(part) + within, part.byteLength - within);
      within = 0;
    }
  }

  take(count: number): void {
    this.left -= count;
    let rest = count;
    while (rest > 0) {
      const left = this.#parts[this.#index]!.byteLength - this.#within;
      if (rest < left) {
        this.#within += rest;
        return;
      }
      rest -= left;
      this.#index += 1;
      this.#within = 0;
    }
  }

  vectorForOne(): IoVector {
    return new IoVector(Math.min(this.#parts.length, maximumParts));
  }
}
