import type { Host } from '@ashlar/host';

/** Time that was not used counts for so long: timers are coarse, and the rate holds even so. */
const burstMs = 50;

/** What a scrub's reads pass one behind the other: at a rate, none while it is shut, and none any more when it has ended. */
export class Gate {
  readonly #host: Pick<Host, 'clock' | 'scheduler'>;
  #bytesPerSecond = Infinity;
  #nextMs = 0;
  #isShut = false;
  #hasEnded = false;
  /** Ends the waits of those that stand before it: they look again. */
  readonly #wakes = new Set<() => void>();

  constructor(host: Pick<Host, 'clock' | 'scheduler'>) {
    this.#host = host;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** From now on; Infinity for no bound. */
  setRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
    this.#nextMs = this.#host.clock.monotonicMs();
    this.#wakeAll();
  }

  /** Nothing passes before so long. */
  hold(delayMs: number): void {
    this.#nextMs = this.#host.clock.monotonicMs() + delayMs;
  }

  shut(): void {
    this.#isShut = true;
    this.#wakeAll();
  }

  open(): void {
    this.#isShut = false;
    this.#nextMs = this.#host.clock.monotonicMs();
    this.#wakeAll();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wakeAll();
  }

  /** Settles when so many bytes may be read; false where nothing may be any more. */
  async pass(bytes: number): Promise<boolean> {
    for (;;) {
      if (this.#hasEnded) return false;
      const nowMs = this.#host.clock.monotonicMs();
      if (!this.#isShut && this.#nextMs <= nowMs) {
        this.#nextMs = Math.max(this.#nextMs, nowMs - burstMs) + (bytes / this.#bytesPerSecond) * 1000;
        return true;
      }
      await this.#wait(this.#isShut ? undefined : this.#nextMs - nowMs);
    }
  }

  #wait(delayMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = delayMs === undefined ? undefined : this.#host.scheduler.after(delayMs, () => wake());
      const wake = (): void => {
        timer?.cancel();
        this.#wakes.delete(wake);
        resolve();
      };
      this.#wakes.add(wake);
    });
  }

  #wakeAll(): void {
    const wakes = Array.from(this.#wakes);
    for (const wake of wakes) wake();
  }
}
