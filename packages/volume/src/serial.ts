import { AshlarError } from '@ashlar/core';

/** Changes that wait at once; one more is told to come later. */
const mostWaiting = 1000;

/** Runs tasks one after the other, in the order they came. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new AshlarError('closed', 'the server is stopping'));
    if (this.#waiting >= mostWaiting) {
      return Promise.reject(new AshlarError('busy', `${mostWaiting} changes wait already: try again later`));
    }
    this.#waiting += 1;
    const result = this.#last.then(task);
    const ended = (): void => {
      this.#waiting -= 1;
    };
    this.#last = result.then(ended, ended);
    return result;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}
