import { isPromise, type Settled } from '@ashlar/core';

/** Counts what has not settled, so that a close can wait for it. What settles at once costs nothing. */
export class InFlight {
  #count = 0;
  #idle: (() => void)[] = [];
  readonly #ended = (): void => {
    this.#count -= 1;
    if (this.#count > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  };

  track<T>(result: Settled<T>): Settled<T> {
    if (isPromise(result)) {
      this.#count += 1;
      result.then(this.#ended, this.#ended);
    }
    return result;
  }

  /** Settles when nothing is in flight any more. */
  idle(): Settled<void> {
    if (this.#count === 0) return;
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
