import type { Host } from '@ashlar/host';

/** Milliseconds that work in the background may hold the thread before requests get their turn. */
const sliceMs = 0.2;

/** Cuts a long work into slices, between which everybody else has a turn. */
export class Turns {
  readonly #host: Pick<Host, 'clock' | 'scheduler'>;
  readonly #rest: () => number;
  #beganMs = 0;

  /** `rest`: how many turns the others have between two slices; they pass quickly where nobody has anything to do. */
  constructor(host: Pick<Host, 'clock' | 'scheduler'>, rest: () => number = () => 1) {
    this.#host = host;
    this.#rest = rest;
    this.begin();
  }

  /** A slice begins now: whoever waited for something else had no part of it. */
  begin(): void {
    this.#beganMs = this.#host.clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.#host.clock.monotonicMs() - this.#beganMs >= sliceMs;
  }

  /** Settles when the others had their turns, at the start of the next slice. */
  async next(): Promise<void> {
    for (let left = this.#rest(); left > 0; left -= 1) {
      await new Promise<void>((resolve) => this.#host.scheduler.soon(resolve));
    }
    this.begin();
  }
}
