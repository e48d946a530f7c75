import type { Host } from '@ashlar/host';

/** Milliseconds that work in the background holds the thread before requests get their turn. */
export const sliceMs = 0.05;
/** Turns that requests have between two slices at the most, while none is due: they pass quickly where nobody has anything to do. */
const mostRest = 8;

/** Cuts a long work into slices, between which everybody else has a turn. */
export class Turns {
  readonly #host: Pick<Host, 'clock' | 'scheduler'>;
  readonly #dueMs: (done: number) => number;
  #beganMs = 0;
  #sliceMs = sliceMs;
  /** The part of the work that is done, from 0 to 1: whoever works says it. */
  done = 0;

  /** `dueMs`: how long the slice may be that comes next where so much is done; 0 while it can wait. */
  constructor(host: Pick<Host, 'clock' | 'scheduler'>, dueMs: (done: number) => number = () => sliceMs) {
    this.#host = host;
    this.#dueMs = dueMs;
    this.begin();
  }

  /** A slice begins now: whoever waited for something else had no part of it. */
  begin(): void {
    this.#beganMs = this.#host.clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.#host.clock.monotonicMs() - this.#beganMs >= this.#sliceMs;
  }

  /** Settles when the others had their turns, at the start of the next slice. */
  async next(): Promise<void> {
    let dueMs = 0;
    for (let rest = mostRest; rest > 0 && dueMs === 0; rest -= 1) {
      await new Promise<void>((resolve) => this.#host.scheduler.soon(resolve));
      dueMs = this.#dueMs(this.done);
    }
    this.#sliceMs = dueMs === 0 ? sliceMs : dueMs;
    this.begin();
  }
}
