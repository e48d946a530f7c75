import { AshlarError, settle, type Settled } from '@ashlar/core';
import type { Event } from './cell.ts';

/** Counts what was asked and answered: the one time that the model knows. */
export class Moments {
  #now = 0;

  next(): number {
    this.#now += 1;
    return this.#now;
  }
}

/** Operations that were asked for and have not been answered. A crash forgets them: no answer counts any more. */
export class Flights {
  readonly #moments: Moments;
  #flying = new Map<Event, Promise<void>>();
  #life = 0;

  constructor(moments: Moments) {
    this.#moments = moments;
  }

  get count(): number {
    return this.#flying.size;
  }

  /** When what is in flight began, at the earliest. */
  get oldest(): number {
    return [...this.#flying.keys()].reduce((least, { calledAt }) => Math.min(least, calledAt), Infinity);
  }

  get names(): string {
    return [...this.#flying.keys()].map(({ name, calledAt }) => `${name} [${calledAt}]`).join(', ');
  }

  event(name: string): Event {
    return { name, calledAt: this.#moments.next(), endedAt: Infinity, settledAt: Infinity, durable: false };
  }

  /** Starts an operation. `done` and `failed` run when it is answered, unless a crash came first. */
  start<T>(
    event: Event,
    operation: () => Settled<T>,
    done: (value: T) => void,
    failed: (error: AshlarError) => void,
  ): void {
    const life = this.#life;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#flying.set(event, promise);
    const end = (): boolean => {
      if (life !== this.#life) return false;
      this.#flying.delete(event);
      resolve();
      return true;
    };
    settle(
      operation,
      (value) => {
        if (!end()) return;
        event.endedAt = this.#moments.next();
        event.settledAt = event.endedAt;
        done(value);
      },
      (error) => {
        if (!end()) return;
        event.endedAt = this.#moments.next();
        failed(
          error instanceof AshlarError
            ? error
            : new AshlarError('io', String((error as Error)?.stack ?? error), {}, error),
        );
      },
    );
  }

  crash(): void {
    this.#life += 1;
    this.#flying = new Map();
  }
}
