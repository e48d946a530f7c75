import { slotsInBitmap } from '../slot-bitmap.ts';

/** Places that follow each other: [first, end). */
export type Run = { readonly first: number; readonly end: number };

/** As it is named in a sentence. */
export const spanOf = ({ first, end }: Run): string => (end === first + 1 ? String(first) : `${first} to ${end - 1}`);

/** A bitmap as it must be. */
export type Corrected = { readonly index: number; readonly bitmap: Uint8Array };

/**
 * Counts slots (or pages): which are on record as in use, and which are referred to. Two bits each, so that 4 Mi slots cost
 * 1 MiB.
 */
export class Census {
  readonly #claimed: Uint8Array;
  readonly #seen: Uint8Array;
  /** Bitmaps that cannot be read: of what they say the use of nothing is known. */
  readonly #unknown = new Set<number>();
  readonly #end: number;

  /** `end`: one above the highest place that there is. */
  constructor(end: number) {
    this.#end = end;
    const bytes = (Math.ceil(end / slotsInBitmap) * slotsInBitmap) / 8;
    this.#claimed = new Uint8Array(bytes);
    this.#seen = new Uint8Array(bytes);
  }

  /** Takes one bitmap over as it is on record; false where it says the use of places that are not there. */
  claim(index: number, bitmap: Uint8Array): boolean {
    const at = (index * slotsInBitmap) / 8;
    if (at + bitmap.length > this.#claimed.length) return bitmap.every((byte) => byte === 0);
    this.#claimed.set(bitmap, at);
    return true;
  }

  /** A bitmap that cannot be read. */
  lose(index: number): void {
    this.#unknown.add(index);
  }

  /** Something refers to a place. */
  see(place: number): 'first' | 'again' | 'outside' {
    if (!(place >= 0 && place < this.#seen.length * 8)) return 'outside';
    const at = Math.floor(place / 8);
    const byte = this.#seen[at] ?? 0;
    const bit = 1 << (place % 8);
    this.#seen[at] = byte | bit;
    return (byte & bit) === 0 ? 'first' : 'again';
  }

  /** How many are on record as in use. */
  get claimedCount(): number {
    let count = 0;
    for (let byte of this.#claimed) for (; byte !== 0; byte &= byte - 1) count += 1;
    return count;
  }

  /** On record as in use, and nothing refers to them. */
  leaked(): Generator<Run> {
    return this.#runs((claimed, seen) => claimed & ~seen);
  }

  /** Referred to, and on record as free: they would be given out again. */
  unclaimed(): Generator<Run> {
    return this.#runs((claimed, seen) => seen & ~claimed);
  }

  /** Whether the files have a place for what that bitmap says the use of. */
  has(index: number): boolean {
    return index * slotsInBitmap < this.#seen.length * 8;
  }

  /** Bitmaps that cannot be read. */
  get lost(): readonly number[] {
    return [...this.#unknown];
  }

  /**
   * What each bitmap must say where it says something else. What is referred to is in use; what is not is free where `frees`, else it stays
   * as it is on record, and in use where that cannot be read, but for what `isOthers`.
   */
  *corrected(frees: boolean, isOthers: (place: number) => boolean): Generator<Corrected> {
    for (let index = 0; this.has(index); index += 1) {
      const from = (index * slotsInBitmap) / 8;
      const bitmap = this.#seen.slice(from, from + slotsInBitmap / 8);
      const claimed = this.#claimed.subarray(from, from + bitmap.length);
      const isUnknown = this.#unknown.has(index);
      if (!frees && isUnknown) this.#fill(index, bitmap, isOthers);
      else if (!frees) for (const [at, byte] of claimed.entries()) bitmap[at] = (bitmap[at] ?? 0) | byte;
      if (isUnknown || Buffer.compare(bitmap, claimed) !== 0) yield { index, bitmap };
    }
  }

  #fill(index: number, bitmap: Uint8Array, isOthers: (place: number) => boolean): void {
    for (let at = 0; at < slotsInBitmap && index * slotsInBitmap + at < this.#end; at += 1) {
      if (!isOthers(index * slotsInBitmap + at)) bitmap[at >>> 3] = (bitmap[at >>> 3] ?? 0) | (1 << (at & 7));
    }
  }

  *#runs(choose: (claimed: number, seen: number) => number): Generator<Run> {
    let first = -1;
    for (let at = 0; at < this.#seen.length; at += 1) {
      const isKnown = !this.#unknown.has(Math.floor((at * 8) / slotsInBitmap));
      const chosen = isKnown ? choose(this.#claimed[at] ?? 0, this.#seen[at] ?? 0) : 0;
      if (chosen === 0 && first < 0) continue;
      for (let bit = 0; bit < 8; bit += 1) {
        const place = at * 8 + bit;
        if (((chosen >>> bit) & 1) === 1) {
          if (first < 0) first = place;
        } else if (first >= 0) {
          yield { first, end: place };
          first = -1;
        }
      }
    }
    if (first >= 0) yield { first, end: this.#seen.length * 8 };
  }
}
