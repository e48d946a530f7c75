import type { Clock, Scheduler } from '@ashlar/core';

/** What may be taken at once after a while in which nobody came. */
const burstMs = 1;
/** When it is asked again whether nobody is let in any more. */
const heldMs = 1;

type Waiting = { readonly bytes: number; readonly go: () => void };

/**
 * Lets bytes in at a rate that others set from moment to moment: back-pressure that slows everybody down a little, in place of
 * a wall that stops them all. In the order in which they came.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #bytesPerMs: () => number;
  readonly #waiting: Waiting[] = [];
  #tokens = 0;
  #filledMs = 0;
  #lookedMs = 0;

  /** `bytesPerMs` is asked each time: 0 holds all, infinity lets all in. */
  constructor(clock: Clock, scheduler: Scheduler, bytesPerMs: () => number) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#bytesPerMs = bytesPerMs;
  }

  /** What these bytes must wait for, if anything. */
  admit(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#take(bytes)) return undefined;
    return new Promise<void>((go) => {
      this.#waiting.push({ bytes, go });
      if (this.#waiting.length === 1) this.#again();
    });
  }

  /** A debt is allowed: a request that is larger than what comes in a turn goes when there is anything. */
  #take(bytes: number): boolean {
    const rate = this.#bytesPerMs();
    if (rate === Infinity) return true;
    const nowMs = this.#clock.monotonicMs();
    this.#tokens += rate * Math.min(nowMs - this.#filledMs, burstMs);
    this.#tokens = Math.min(this.#tokens, Math.max(rate * burstMs, bytes));
    this.#filledMs = nowMs;
    if (this.#tokens <= 0 || rate === 0) return false;
    this.#tokens -= bytes;
    return true;
  }

  readonly #pump = (): void => {
    let gone = 0;
    while (gone < this.#waiting.length && this.#take(this.#waiting[gone]!.bytes)) gone += 1;
    for (const { go } of this.#waiting.splice(0, gone)) go();
    if (this.#waiting.length > 0) this.#again();
  };

  /** In the next turn, which is finer than any timer; in a while where nothing will have come by then. */
  #again(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs > this.#lookedMs && this.#bytesPerMs() > 0) this.#scheduler.soon(this.#pump);
    else this.#scheduler.after(heldMs, this.#pump);
    this.#lookedMs = nowMs;
  }
}
