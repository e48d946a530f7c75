/**
 * Ranges of one object that an operation of several steps has for itself: a write of less than a block reads, merges and
 * writes. Empty almost always, and then it costs a comparison. First come, first served.
 */
export class BlockLocks {
  readonly #held: { readonly from: number; readonly to: number; readonly done: Promise<void> }[] = [];

  /** What must end before [from, to) may be touched. */
  waitFor(from: number, to: number): Promise<void> | undefined {
    if (this.#held.length === 0) return undefined;
    const found = this.#held.findLast((held) => held.from < to && from < held.to);
    return found?.done;
  }

  /** Runs `work` alone on [from, to): behind all that came before, before all that comes later. */
  async run<T>(from: number, to: number, work: () => Promise<T>): Promise<T> {
    const before = this.#held.filter((held) => held.from < to && from < held.to).map((held) => held.done);
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = { from, to, done: promise };
    this.#held.push(held);
    try {
      await Promise.all(before);
      return await work();
    } finally {
      this.#held.splice(this.#held.indexOf(held), 1);
      resolve();
    }
  }
}
