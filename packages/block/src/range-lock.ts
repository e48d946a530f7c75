import { AshlarError, isPromise, settle, type Settled } from '@ashlar/core';

type Range = { readonly offset: number; readonly length: number };
/** One that is held, and where in the list. */
type Held = Range & { place: number };
type Waiting = Range & { readonly start: () => void };

function overlap(left: Range, right: Range): boolean {
  return left.offset < right.offset + right.length && right.offset < left.offset + left.length;
}

/**
 * Lets operations on overlapping ranges run one after the other, in the order they came: one that waits is not overtaken
 * by a later one that overlaps it. What settles at once is never held, and costs nothing.
 */
export class RangeLock {
  readonly #limit: number;
  /** In no order: the last one takes the place of one that ended. */
  readonly #held: Held[] = [];
  #waiting: Waiting[] = [];

  /** At most `limit` operations wait; one more is `busy`. */
  constructor(limit = 4096) {
    this.#limit = limit;
  }

  /** True when nothing that overlaps is held or waits: an operation that settles at once may then run without asking more. */
  isFree(offset: number, length: number): boolean {
    if (this.#held.length === 0) return true;
    const range = { offset, length };
    return !this.#isHeld(range) && !this.#waiting.some((waiting) => overlap(waiting, range));
  }

  /** Holds a range that was free a moment ago, for an operation that has begun, until it settles. */
  hold<T>(offset: number, length: number, operation: Promise<T>): Promise<T> {
    const range = { offset, length, place: this.#held.length };
    this.#held.push(range);
    const ended = (): void => {
      const last = this.#held.pop();
      if (last !== undefined && last !== range) {
        last.place = range.place;
        this.#held[range.place] = last;
      }
      if (this.#waiting.length > 0) this.#pump();
    };
    operation.then(ended, ended);
    return operation;
  }

  /** Runs `operation` when the range is free and holds it until that settles. */
  run<T>(offset: number, length: number, operation: () => Settled<T>): Settled<T> {
    if (this.isFree(offset, length)) return this.#start(offset, length, operation);
    if (this.#waiting.length >= this.#limit) {
      throw new AshlarError('busy', `${this.#limit} operations wait already for ranges that others hold`, {
        offset,
        length,
      });
    }
    return new Promise<T>((resolve, reject) => {
      const start = (): void => settle(() => this.#start(offset, length, operation), resolve, reject);
      this.#waiting.push({ offset, length, start });
    });
  }

  #start<T>(offset: number, length: number, operation: () => Settled<T>): Settled<T> {
    const result = operation();
    return isPromise(result) ? this.hold(offset, length, result) : result;
  }

  #isHeld(range: Range): boolean {
    for (const held of this.#held) if (overlap(held, range)) return true;
    return false;
  }

  #pump(): void {
    const still: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (this.#isHeld(waiting) || still.some((earlier) => overlap(earlier, waiting))) still.push(waiting);
      else waiting.start();
    }
    this.#waiting = still;
  }
}
