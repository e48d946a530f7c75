import type { ChunkOverlay } from './overlay-chunks.ts';

/** Maps that a layer's chunks are spread over: a map that grows copies itself at once, and none of these is ever large. */
const mapsEach = 256;

/** One object's chunks between two checkpoints, by their index. Iterated in no order that means anything. */
export class Layer {
  readonly #maps: (Map<number, ChunkOverlay> | undefined)[] = Array.from({ length: mapsEach });
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(chunk: number): ChunkOverlay | undefined {
    return this.#maps[chunk % mapsEach]?.get(chunk);
  }

  has(chunk: number): boolean {
    return this.get(chunk) !== undefined;
  }

  /** Adds a chunk that is not there yet. */
  add(chunk: number, overlay: ChunkOverlay): void {
    (this.#maps[chunk % mapsEach] ??= new Map()).set(chunk, overlay);
    this.#size += 1;
  }

  *[Symbol.iterator](): IterableIterator<[number, ChunkOverlay]> {
    if (this.#size === 0) return;
    for (const map of this.#maps) if (map !== undefined) yield* map;
  }

  *keys(): IterableIterator<number> {
    for (const map of this.#maps) if (map !== undefined) yield* map.keys();
  }

  *values(): IterableIterator<ChunkOverlay> {
    for (const map of this.#maps) if (map !== undefined) yield* map.values();
  }
}
