import type { Clock, Scheduler } from '@ashlar/core';
import { LRUCache } from 'lru-cache';

const mostKnown = 10_000;
/** How long what was found holds. */
const knownMs = 5 * 60_000;
/** The same of what could not be found out. */
const failedMs = 30_000;
/** Nobody waits longer: what is not known by then is taken for nothing until it is. */
const waitMs = 5000;
/** Each may hold a thread of the pool that disks are read by as well. */
const mostAtOnce = 1;
/** Keys that are being looked up, or wait to be. */
const mostWaiting = 1000;

type LookupsParts<K, T> = {
  readonly find: (key: K) => Promise<T>;
  /** What is taken where nothing is found out. */
  readonly nothing: T;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
};

/** What the machine or the network knows, asked for at leisure: remembered for a while, and asked for again while what was known is used. */
export class Lookups<K extends string | number, T extends object> {
  readonly #parts: LookupsParts<K, T>;
  readonly #known = new LRUCache<K, { readonly found: T; readonly untilMs: number }>({ max: mostKnown });
  readonly #running = new Map<K, Promise<T>>();
  readonly #queue: (() => void)[] = [];
  #atOnce = 0;
  /** What was asked before the last `forget` is not remembered. */
  #turn = 0;

  constructor(parts: LookupsParts<K, T>) {
    this.#parts = parts;
  }

  /** What is known; nothing while it is looked up first. */
  of(key: K): T | undefined {
    const there = this.#known.get(key);
    if (there === undefined || there.untilMs <= this.#parts.clock.monotonicMs()) void this.ready(key);
    return there?.found;
  }

  /** The same, once there is something. */
  ready(key: K): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    if (this.#running.size >= mostWaiting) return Promise.resolve(this.#parts.nothing);
    const looking = this.#look(key);
    this.#running.set(key, looking);
    return looking;
  }

  /** Everything is looked up anew. */
  forget(): void {
    this.#turn += 1;
    this.#known.clear();
    this.#running.clear();
  }

  async #look(key: K): Promise<T> {
    const { find, nothing, scheduler } = this.#parts;
    const turn = this.#turn;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = scheduler.after(waitMs, () => resolve(undefined));
    const finding = this.#inTurn(async () => {
      try {
        return this.#keep(turn, key, await find(key), knownMs);
      } catch {
        return this.#keep(turn, key, nothing, failedMs);
      }
    });
    const found =
      (await Promise.race([finding, late])) ?? this.#keep(turn, key, this.#known.get(key)?.found ?? nothing, failedMs);
    timer.cancel();
    if (turn === this.#turn) this.#running.delete(key);
    return found;
  }

  #keep(turn: number, key: K, found: T, forMs: number): T {
    if (turn === this.#turn) this.#known.set(key, { found, untilMs: this.#parts.clock.monotonicMs() + forMs });
    return found;
  }

  async #inTurn<R>(run: () => Promise<R>): Promise<R> {
    if (this.#atOnce >= mostAtOnce) await new Promise<void>((resolve) => void this.#queue.push(resolve));
    else this.#atOnce += 1;
    try {
      return await run();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#atOnce -= 1;
      else next();
    }
  }
}
