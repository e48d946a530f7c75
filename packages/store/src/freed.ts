import { hasBit, setBit } from './format/map-leaf.ts';
import type { BlockRun } from './host-room.ts';

/** What a checkpoint frees; given back behind its commit (rule 1e). */
export type Freed = {
  readonly slots: number[];
  /** Of these the contents went elsewhere: the next writes will want as much room again. */
  readonly moved: number[];
  readonly blocks: FreedBlocks;
  /** Slots that the checkpoint itself took: they go back if it fails. */
  readonly taken: number[];
  /** Room that the host must keep before the commit. */
  readonly reserved: BlockRun[];
};

export function nothingFreed(): Freed {
  return { slots: [], moved: [], blocks: new FreedBlocks(), taken: [], reserved: [] };
}

/** Blocks that are freed of slots which stay in use: a later generation of the same checkpoint may use one again. */
export class FreedBlocks {
  readonly #slots = new Map<number, { low: number; high: number }>();

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  add(slot: number, block: number): void {
    const bits = this.#slots.get(slot) ?? { low: 0, high: 0 };
    setBit(bits, block, true);
    this.#slots.set(slot, bits);
  }

  /** The blocks [first, end) of the slot are in use again. */
  keep(slot: number, first: number, end: number): void {
    if (this.#slots.size === 0) return;
    const bits = this.#slots.get(slot);
    if (bits === undefined) return;
    for (let block = first; block < end; block += 1) setBit(bits, block, false);
  }

  /** Those of a slot follow each other in their order. */
  *all(): Generator<{ readonly slot: number; readonly block: number }> {
    for (const [slot, bits] of this.#slots) {
      for (let block = 0; block < 64; block += 1) if (hasBit(bits, block)) yield { slot, block };
    }
  }
}
