import { isPromise, type Settled } from '@ashlar/core';

/** Transfers at once: enough to keep a device busy. */
const mostInFlight = 128;

/**
 * Transfers whose ends are waited for together: bounded, and none is still running when the first failure is told. After each
 * `trickleBytes` of them a sync runs beside: what gathers in caches below stops everybody when it is let out at once.
 */
export class Transfers {
  readonly #trickleBytes: number;
  readonly #sync: () => Promise<void>;
  #bytes = 0;
  #syncing = false;
  #inFlight = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(trickleBytes: number, sync: () => Promise<void>) {
    this.#trickleBytes = trickleBytes;
    this.#sync = sync;
  }

  /** Counts a transfer that was begun. Gives what to wait for before another one where there are enough. */
  add(transfer: Settled<void>, bytes: number): Settled<void> {
    this.#trickle(bytes);
    if (!isPromise(transfer)) return;
    this.#count(transfer);
    if (this.#inFlight >= mostInFlight) return this.#below(mostInFlight / 2);
  }

  /** Settles when all have ended; rejects with the first failure. */
  async drained(): Promise<void> {
    await this.#below(1);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  #trickle(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#trickleBytes || this.#syncing) return;
    this.#bytes = 0;
    this.#syncing = true;
    this.#count(
      this.#sync().finally(() => {
        this.#syncing = false;
      }),
    );
  }

  #count(work: Promise<void>): void {
    this.#inFlight += 1;
    work.then(this.#ended, this.#failed);
  }

  async #below(count: number): Promise<void> {
    while (this.#inFlight >= count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  readonly #failed = (error: unknown): void => {
    this.#failure ??= { error };
    this.#ended();
  };

  readonly #ended = (): void => {
    this.#inFlight -= 1;
    this.#wake?.();
  };
}
