import type { Random } from '@ashlar/core';

/** Chance from a seed (sfc32): the same numbers in the same order for the same seed, on every machine. */
export class SeededRandom implements Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(seed: number) {
    this.restart(seed);
  }

  /** Begins anew, from another seed. */
  restart(seed: number): void {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9;
    this.#counter = 1;
    for (let round = 0; round < 15; round += 1) this.#next();
  }

  below(limit: number): number {
    if (limit <= 2 ** 32) return Math.floor((this.#next() / 2 ** 32) * limit);
    const high = this.#next() & 0x1f_ffff;
    return (high * 2 ** 32 + this.#next()) % limit;
  }

  fill(bytes: Uint8Array): void {
    // As `#next` does it for each byte: in variables, since to set a field takes most of the time.
    let [a, b, c, counter] = [this.#a, this.#b, this.#c, this.#counter];
    for (let index = 0; index < bytes.length; index += 1) {
      const sum = (a + b + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      bytes[index] = sum;
    }
    [this.#a, this.#b, this.#c, this.#counter] = [a, b, c, counter];
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** One of them, each with the same chance. */
  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new RangeError('nothing to pick from');
    return choice;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
