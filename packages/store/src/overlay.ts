import { assert } from '@ashlar/core';
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

/** What was journaled of an object in one generation and is not home yet; the next generation lies over it. */
export type Sealed = {
  readonly generation: number;
  readonly layer: Layer;
  /** The object's, at its end. */
  readonly sizeBytes: number;
};

/**
 * What is journaled and not yet home, in layers that lie over each other. `active` takes new operations. Below are those of the
 * generations before, which snapshots ended, and the ones that the running checkpoint brings home: they are frozen, and answered from until its
 * commit is durable (rule 1).
 */
export class Overlay {
  active: Layer;
  /** The generation of what `active` has. */
  #generation: number;
  /** The newest first. */
  #below: Sealed[] = [];
  /** How many of them, from the end, are frozen. */
  #frozen = 0;
  readonly #arena: BlockArena;
  readonly #chunks: OverlayChunks;

  /** Both are shared by all objects of a pool. */
  constructor(arena: BlockArena, chunks: OverlayChunks, generation: number) {
    this.#arena = arena;
    this.#chunks = chunks;
    this.#generation = generation;
    this.active = chunks.takeLayer();
  }

  get isEmpty(): boolean {
    return this.active.size === 0 && this.#below.length === 0;
  }

  /** Every layer, the newest first. */
  *layers(): IterableIterator<Layer> {
    yield this.active;
    for (const { layer } of this.#below) yield layer;
  }

  /** Those up to the end of a generation, the newest first. */
  *layersAt(generation: number): IterableIterator<Layer> {
    if (generation >= this.#generation) yield this.active;
    for (const sealed of this.#below) if (sealed.generation <= generation) yield sealed.layer;
  }

  /** The object's size at the end of a generation that is not home; nothing where it was not touched since. */
  sizeAt(generation: number): number | undefined {
    if (generation >= this.#generation) return undefined;
    return this.#below.find((sealed) => sealed.generation <= generation)?.sizeBytes;
  }

  /** The layers of the generations behind one, up to the end of another, the newest first. */
  *layersBetween(behind: number, last: number): IterableIterator<Layer> {
    if (this.#generation > behind && this.#generation <= last) yield this.active;
    for (const { generation, layer } of this.#below) if (generation > behind && generation <= last) yield layer;
  }

  /** Whether anything is known of the chunk that is not home. */
  has(chunk: number): boolean {
    return this.active.has(chunk) || this.#below.some(({ layer }) => layer.has(chunk));
  }

  /** The frozen ones, the oldest first: so they go home. */
  frozen(): readonly Sealed[] {
    return this.#below.slice(this.#below.length - this.#frozen).reverse();
  }

  /** The newest layer that has a code for the block; none: look in the map. */
  layerOf(chunk: number, block: number): ChunkOverlay | undefined {
    const active = this.active.get(chunk);
    if (active !== undefined && active.codes[block] !== nothing) return active;
    return this.#below.length === 0 ? undefined : this.#layerBelow(chunk, block, this.#generation);
  }

  /** The newest of that generation or behind it that has a code for the block. */
  layerSince(generation: number, chunk: number, block: number): ChunkOverlay | undefined {
    if (this.#generation < generation) return undefined;
    const active = this.active.get(chunk);
    if (active !== undefined && active.codes[block] !== nothing) return active;
    for (const sealed of this.#below) {
      if (sealed.generation < generation) return undefined;
      const there = sealed.layer.get(chunk);
      if (there !== undefined && there.codes[block] !== nothing) return there;
    }
    return undefined;
  }

  /** The same, as it was at the end of a generation. */
  layerAt(generation: number, chunk: number, block: number): ChunkOverlay | undefined {
    return generation >= this.#generation ? this.layerOf(chunk, block) : this.#layerBelow(chunk, block, generation);
  }

  /** Whether nothing up to that generation is other than home. */
  isHomeAt(generation: number): boolean {
    if (generation >= this.#generation) return this.isEmpty;
    return this.#below.every((sealed) => sealed.generation > generation);
  }

  #layerBelow(chunk: number, block: number, generation: number): ChunkOverlay | undefined {
    for (const sealed of this.#below) {
      if (sealed.generation > generation) continue;
      const there = sealed.layer.get(chunk);
      if (there !== undefined && there.codes[block] !== nothing) return there;
    }
    return undefined;
  }

  /** What comes from now on belongs to that generation: what is there stays as it is below, with the size that the object has now. */
  toGeneration(generation: number, sizeBytes: number): void {
    if (generation === this.#generation) return;
    assert(generation > this.#generation, 'generations follow each other');
    this.#seal(sizeBytes);
    this.#generation = generation;
  }

  #seal(sizeBytes: number): void {
    this.#below.unshift({ generation: this.#generation, layer: this.active, sizeBytes });
    this.active = this.#chunks.takeLayer();
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

  /** Freezes all that is there. The size may have changed though nothing else did: from that of the generation before, if anything of that is not home. */
  freeze(sizeBytes: number, committedSize: number): void {
    assert(this.#frozen === 0, 'one checkpoint runs at a time');
    const before = this.#below[0]?.sizeBytes ?? committedSize;
    if (this.active.size > 0 || sizeBytes !== before) this.#seal(sizeBytes);
    this.#frozen = this.#below.length;
  }

  /** After the checkpoint's commit its blocks are home, and the maps have them. Gives what was frozen: its chunks for `release`, then each layer for `end`. */
  thaw(): readonly Layer[] {
    const home = this.#below.splice(this.#below.length - this.#frozen);
    this.#frozen = 0;
    return home.map(({ layer }) => layer);
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

  /** After a checkpoint that failed: what was frozen lies under what came since, and is one with it where both are of one generation. */
  unfreeze(): void {
    const newest = this.#below.length - this.#frozen;
    this.#frozen = 0;
    const frozen = this.#below[newest];
    if (frozen === undefined) return;
    const over = this.#below[newest - 1] ?? { generation: this.#generation, layer: this.active };
    if (over.generation !== frozen.generation) return;
    this.#below.splice(newest, 1);
    this.#merge(frozen.layer, over.layer);
  }

  #merge(from: Layer, into: Layer): void {
    for (const [index, below] of from) {
      const above = into.get(index);
      if (above === undefined) {
        into.add(index, below);
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
    this.#chunks.giveLayer(from);
  }
}

/** An overlay as it was at the end of a generation: for those who read a snapshot. */
export class OverlayAt {
  readonly #overlay: Overlay;
  readonly #generation: number;

  constructor(overlay: Overlay, generation: number) {
    this.#overlay = overlay;
    this.#generation = generation;
  }

  get isEmpty(): boolean {
    return this.#overlay.isHomeAt(this.#generation);
  }

  has(chunk: number): boolean {
    for (const layer of this.layers()) if (layer.has(chunk)) return true;
    return false;
  }

  layers(): IterableIterator<Layer> {
    return this.#overlay.layersAt(this.#generation);
  }

  layerOf(chunk: number, block: number): ChunkOverlay | undefined {
    return this.#overlay.layerAt(this.#generation, chunk, block);
  }
}
