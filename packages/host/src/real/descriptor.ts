import { closeSync } from 'node:fs';
import { AshlarError } from '@ashlar/core';

/**
 * An open file descriptor that is closed only when no call on the thread pool uses it any more: its number may belong
 * to another file right after.
 */
export class Descriptor {
  readonly #number: number;
  readonly #path: string;
  readonly #end: (number: number) => void;
  #users = 0;
  #closed = false;

  /** `end`: closes it, as whoever opened it does: Node warns where its own closes what it did not open. */
  constructor(number: number, path: string, end: (number: number) => void = closeSync) {
    this.#number = number;
    this.#path = path;
    this.#end = end;
  }

  /** Throws `closed` after `close`. */
  get number(): number {
    if (this.#closed) throw new AshlarError('closed', `${this.#path} is closed`, { path: this.#path });
    return this.#number;
  }

  /** Runs `operation` and keeps the descriptor open meanwhile. */
  hold<T>(operation: (number: number) => Promise<T>): Promise<T> {
    const result = operation(this.take());
    result.then(this.release, this.release);
    return result;
  }

  /** Keeps the descriptor open until `release`. Gives its number; throws `closed` after `close`. */
  take(): number {
    const { number } = this;
    this.#users += 1;
    return number;
  }

  readonly release = (): void => {
    this.#users -= 1;
    if (this.#closed && this.#users === 0) this.#end(this.#number);
  };

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#users === 0) this.#end(this.#number);
  }
}
