import type { ChunkOverlay } from './chunk-overlay.ts';

const firstPlaces = 64;
const noKeys = new Float64Array(0);

/**
 * One object's chunks between two checkpoints, by their index. Open addressing with linear probing in plain arrays, at most half full:
 * it is asked for each small write, and its tables live long enough to be a collector's burden, so that they are used again.
 * Iterated in no order that means anything.
 */
export class Layer {
  /** By place: a chunk's index + 1, or 0. As many as a power of two. */
  #keys = noKeys;
  #overlays: (ChunkOverlay | undefined)[] = [];
  /** What leaves of 32 bits of hash as many as a place has. */
  #shift = 32;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(chunk: number): ChunkOverlay | undefined {
    return this.#size === 0 ? undefined : this.#overlays[this.#placeOf(chunk)];
  }

  has(chunk: number): boolean {
    return this.get(chunk) !== undefined;
  }

  /** Adds a chunk that is not there yet. */
  add(chunk: number, overlay: ChunkOverlay): void {
    if ((this.#size + 1) * 2 > this.#keys.length) this.#grow();
    this.#put(chunk, overlay);
    this.#size += 1;
  }

  /** Forgets all, and keeps the tables for those to come. */
  clear(): void {
    this.#keys.fill(0);
    this.#overlays.fill(undefined);
    this.#size = 0;
  }

  *[Symbol.iterator](): IterableIterator<[number, ChunkOverlay]> {
    for (let place = 0; place < this.#keys.length; place += 1) {
      const overlay = this.#overlays[place];
      if (overlay !== undefined) yield [this.#keys[place]! - 1, overlay];
    }
  }

  *keys(): IterableIterator<number> {
    for (const key of this.#keys) if (key !== 0) yield key - 1;
  }

  *values(): IterableIterator<ChunkOverlay> {
    for (const overlay of this.#overlays) if (overlay !== undefined) yield overlay;
  }

  /** The place of the chunk, or the free one where it would be. */
  #placeOf(chunk: number): number {
    const mask = this.#keys.length - 1;
    let place = Math.imul(chunk, 0x9e3779b1) >>> this.#shift;
    for (let key = this.#keys[place]; key !== 0 && key !== chunk + 1; key = this.#keys[place])
      place = (place + 1) & mask;
    return place;
  }

  #put(chunk: number, overlay: ChunkOverlay): void {
    const place = this.#placeOf(chunk);
    this.#keys[place] = chunk + 1;
    this.#overlays[place] = overlay;
  }

  #grow(): void {
    const keys = this.#keys;
    const overlays = this.#overlays;
    const places = Math.max(firstPlaces, keys.length * 2);
    this.#keys = new Float64Array(places);
    this.#overlays = Array.from({ length: places });
    this.#shift = 32 - Math.log2(places);
    for (const [place, key] of keys.entries()) if (key !== 0) this.#put(key - 1, overlays[place]!);
  }
}
