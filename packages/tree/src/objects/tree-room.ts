import { andThen, AshlarError, MiB, type Settled } from '@ashlar/core';

/** Bytes: what there is for a tree, and what of it is free. */
export type Room = {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /**
   * What of the tree's own bound is left, where its store says by itself what that has no room for: it knows what comes back with its next checkpoint. Without it
   * nothing is written but what is free.
   */
  readonly leftBytes?: number | undefined;
};

/** So much is written before it is asked again what is free: others take room too, and the size of a volume changes. */
const mostUnasked = 256 * MiB;

/** Room that a tree may take: to ask for it costs more than a write, so it is asked for once in a while. */
export class TreeRoom {
  readonly #ask: () => Settled<Room>;
  #left = 0;

  constructor(ask: () => Settled<Room>) {
    this.#ask = ask;
  }

  /** What is free now. */
  now(): Settled<Room> {
    return this.#ask();
  }

  /** Takes room for what is about to be written. Fails with `no-space`. */
  claim(bytes: number): Settled<void> {
    if (this.#take(bytes)) return;
    return andThen(this.#ask(), ({ freeBytes, leftBytes = freeBytes }) => {
      this.#left = Math.min(leftBytes, mostUnasked);
      if (!this.#take(bytes)) throw new AshlarError('no-space', 'the file volume is full');
    });
  }

  #take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}
