import { isPromise, type Settled } from '@ashlar/core';

/** Keeps changes out for a while: those that are under way end first, and those that come wait. */
export class Holds {
  #count = 0;
  #held: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  run<T>(change: () => Settled<T>): Settled<T> {
    const held = this.#held;
    if (held !== undefined) return held.then(() => this.run(change));
    const result = change();
    if (!isPromise(result)) return result;
    this.#count += 1;
    return result.finally(() => {
      this.#count -= 1;
      if (this.#count === 0) this.#onIdle?.();
    });
  }

  /** Settles when nothing is under way and nothing begins; gives what ends that. One waits for the other. */
  async hold(): Promise<() => void> {
    while (this.#held !== undefined) await this.#held;
    let release: (() => void) | undefined;
    this.#held = new Promise((resolve) => {
      release = () => {
        this.#held = undefined;
        resolve();
      };
    });
    if (this.#count > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      this.#onIdle = undefined;
    }
    return release!;
  }
}
