import type { ChunkOverlay } from './chunk-overlay.ts';
import { Layer } from './layer.ts';

/** Chunks whose codes lie in one buffer: a buffer for each would cost more than what is in it. */
const slabChunks = 256;

/** Bytes of memory, roughly, that a chunk in the overlay takes besides its blocks. */
const chunkBytes = 512;

/** Tables of layers that are kept for those to come: those of the volumes that are written to most. */
const spareLayers = 4;

/** The chunks of a pool's overlays, and the layers that they are in. They are used again: under load the same ones come and go with each checkpoint. */
export class OverlayChunks {
  readonly #blocksEach: number;
  readonly #spare: ChunkOverlay[] = [];
  readonly #layers: Layer[] = [];
  #used = 0;

  constructor(blocksEach: number) {
    this.#blocksEach = blocksEach;
  }

  /** Bytes that chunks in use take, roughly. */
  get usedBytes(): number {
    return this.#used * chunkBytes;
  }

  /** A chunk of which nothing is known. */
  take(): ChunkOverlay {
    const chunk = this.#spare.pop() ?? this.#fresh();
    this.#used += 1;
    return chunk;
  }

  /** Takes a chunk back that nobody looks at any more. */
  give(chunk: ChunkOverlay): void {
    chunk.codes.fill(0);
    chunk.slots.length = 0;
    this.#used -= 1;
    this.#spare.push(chunk);
  }

  /** A layer with nothing in it. */
  takeLayer(): Layer {
    return this.#layers.pop() ?? new Layer();
  }

  /** Takes a layer back that nobody looks at any more. */
  giveLayer(layer: Layer): void {
    if (this.#layers.length >= spareLayers) return;
    layer.clear();
    this.#layers.push(layer);
  }

  /** Lets go of those that are not in use. */
  giveBack(): void {
    this.#spare.length = 0;
    this.#layers.length = 0;
  }

  #fresh(): ChunkOverlay {
    const slab = new Int32Array(slabChunks * this.#blocksEach);
    for (let at = slab.length - this.#blocksEach; at > 0; at -= this.#blocksEach) {
      this.#spare.push({ codes: slab.subarray(at, at + this.#blocksEach), slots: [] });
    }
    return { codes: slab.subarray(0, this.#blocksEach), slots: [] };
  }
}
