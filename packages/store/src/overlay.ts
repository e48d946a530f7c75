import type { BlockArena } from './block-arena.ts';
import type { Layer } from './layer.ts';
import type { ChunkOverlay } from './chunk-overlay.ts';
import type { OverlayChunks } from './overlay-chunks.ts';

/** What the overlay knows of a block. Above these: arena block + `firstArena`; below zero: -1 - index into `slots`. */
export const nothing = 0;
export const hole = 1;
/** Reads as zeros, room kept. */
export const reserved = 2;
/** Recovery found its bytes damaged below the durable mark: it answers `corrupt`. */
export const corrupt = 3;
export const firstArena = 16;

/**
 * What is journaled and not yet home. `active` takes new operations; `frozen` is what the running checkpoint brings
 * home, and is answered from until its commit is durable (rule 1).
 */
export class Overlay {
  active: Layer;
  frozen: Layer | undefined;
  readonly #arena: BlockArena;
  readonly #chunks: OverlayChunks;

  /** Both are shared by all objects of a pool. */
  constructor(arena: BlockArena, chunks: OverlayChunks) {
    this.#arena = arena;
    this.#chunks = chunks;
    this.active = chunks.takeLayer();
  }

  get isEmpty(): boolean {
    return this.active.size === 0 && this.frozen === undefined;
  }

  /** The layer's own code for the block where it has one, else the one below; `nothing`: look in the map. */
  layerOf(chunk: number, block: number): ChunkOverlay | undefined {
    const active = this.active.get(chunk);
    if (active !== undefined && active.codes[block] !== nothing) return active;
    const frozen = this.frozen?.get(chunk);
    if (frozen !== undefined && frozen.codes[block] !== nothing) return frozen;
    return undefined;
  }

  chunk(chunk: number): ChunkOverlay {
    let there = this.active.get(chunk);
    if (there === undefined) {
      there = this.#chunks.take();
      this.active.add(chunk, there);
    }
    return there;
  }

  /** Sets a block's code; gives the arena block that nobody refers to any more, or -1. */
  set(overlay: ChunkOverlay, block: number, code: number): number {
    const before = overlay.codes[block] ?? nothing;
    overlay.codes[block] = code;
    return before >= firstArena ? before - firstArena : -1;
  }

  freeze(): void {
    this.frozen = this.active;
    this.active = this.#chunks.takeLayer();
  }

  /** After the checkpoint's commit its blocks are home, and the map has them. Gives what was frozen: its chunks for `release`, then itself for `end`. */
  thaw(): Layer | undefined {
    const home = this.frozen;
    this.frozen = undefined;
    return home;
  }

  /** Gives back a layer whose chunks are released. */
  end(layer: Layer): void {
    this.#chunks.giveLayer(layer);
  }

  /** Gives back the memory of a chunk that no layer has any more. */
  release(chunk: ChunkOverlay): void {
    const { codes } = chunk;
    for (let block = 0; block < codes.length; block += 1) {
      const code = codes[block]!;
      if (code >= firstArena) this.#arena.release(code - firstArena);
    }
    this.#chunks.give(chunk);
  }

  /** After a checkpoint that failed: what was frozen lies under what came since. */
  unfreeze(): void {
    for (const [index, below] of this.frozen ?? []) {
      const above = this.active.get(index);
      if (above === undefined) {
        this.active.add(index, below);
        continue;
      }
      for (const [block, code] of below.codes.entries()) {
        if (code === nothing) continue;
        if (above.codes[block] === nothing) above.codes[block] = code < 0 ? code - above.slots.length : code;
        else if (code >= firstArena) this.#arena.release(code - firstArena);
      }
      above.slots.push(...below.slots);
      this.#chunks.give(below);
    }
    this.frozen = undefined;
  }
}
