import { isPromise, type Settled } from '@ashlar/core';

/** Runs one after the other what must not see the half of another: at once where nothing is under way. */
export class Turns {
  #last: Promise<unknown> | undefined;

  run<T>(operation: () => Settled<T>): Settled<T> {
    const result = this.#last === undefined ? operation() : this.#last.then(operation);
    if (!isPromise(result)) return result;
    const last = result
      .catch(() => undefined)
      .then(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
    return result;
  }
}
