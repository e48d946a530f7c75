/**
 * Tokens come in at `ratePerSecond` and at most `burst` of them are kept. A cost above the burst is let through when the
 * bucket is full and leaves a debt, so that a large operation is neither refused nor free.
 */
export class TokenBucket {
  readonly #ratePerSecond: number;
  readonly #burst: number;
  #level: number;
  #atMs: number;

  constructor(ratePerSecond: number, burst: number, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#burst = burst;
    this.#level = burst;
    this.#atMs = nowMs;
  }

  /** Milliseconds until `cost` may be taken; 0 when it may be now. */
  waitMs(cost: number, nowMs: number): number {
    this.#refill(nowMs);
    const missing = Math.min(cost, this.#burst) - this.#level;
    // What a rounding left missing is no reason for another wait.
    return missing <= 1e-6 ? 0 : (missing / this.#ratePerSecond) * 1000;
  }

  take(cost: number): void {
    this.#level -= cost;
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return;
    this.#level = Math.min(this.#burst, this.#level + ((nowMs - this.#atMs) / 1000) * this.#ratePerSecond);
    this.#atMs = nowMs;
  }
}
