import { andThen, type Settled } from '@ashlar/core';
import { entriesEach, readEntry } from './format/map-leaf.ts';
import { checksumLeafOf } from './slot-checksums.ts';
import type { ObjectState, PoolParts } from './state.ts';

/** Chunks whose pages are asked for before it is their turn: reads enough to keep a device busy. */
const mostAhead = 128;

/**
 * Asks for the pages that a checkpoint will need of an object's chunks, some turns before it needs them: one after the other they
 * would take the device's whole time for each. What fails is met again when its turn comes.
 */
export class PageLookahead {
  readonly #pool: PoolParts;
  readonly #object: ObjectState;
  readonly #chunks: Float64Array;
  readonly #running = new Set<Promise<void>>();
  #next = 0;

  constructor(pool: PoolParts, object: ObjectState, chunks: Float64Array) {
    this.#pool = pool;
    this.#object = object;
    this.#chunks = chunks;
  }

  /** Those behind place `at` are asked for. Where every page is cached nobody needs to call it. */
  from(at: number): void {
    this.#next = Math.max(this.#next, at + 1);
    const end = Math.min(at + 1 + mostAhead, this.#chunks.length);
    for (; this.#next < end; this.#next += 1) this.#ask(this.#chunks[this.#next]!);
  }

  /** Settles when nothing that was asked for is on its way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #ask(chunk: number): void {
    const asked = Promise.try(() => this.#pages(chunk)).catch(() => undefined);
    this.#running.add(asked);
    void asked.then(() => this.#running.delete(asked));
  }

  /** The page of the map, and that of the checksums of the slot that blocks of the chunk go to. */
  #pages(chunk: number): Settled<void> {
    const { checksums, blocksEach } = this.#pool;
    return andThen(this.#object.tree.current(Math.floor(chunk / entriesEach)), (leaf) => {
      const [piece] = leaf === undefined ? [] : readEntry(leaf.view, chunk % entriesEach).pieces;
      if (piece === undefined) return undefined;
      return andThen(checksums.current(checksumLeafOf(piece.slot * blocksEach)), () => undefined);
    });
  }
}
