import type { Sum } from './run-many.ts';

/** Where nobody looks on, a line every so often. */
const lineEachMs = 60_000;
const redrawEachMs = 200;

/** Shows on standard error how far it is: on a terminal one line that is drawn over, else a line a minute. */
export class Progress {
  readonly #count: number;
  readonly #fromMs = performance.now();
  #shownMs = performance.now();

  constructor(count: number) {
    this.#count = count;
  }

  tell(sum: Sum): void {
    const nowMs = performance.now();
    const isTerminal = process.stderr.isTTY;
    if (nowMs - this.#shownMs < (isTerminal ? redrawEachMs : lineEachMs)) return;
    this.#shownMs = nowMs;
    process.stderr.write(isTerminal ? `\r${this.#line(sum)}\u001b[K` : `${this.#line(sum)}\n`);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }

  #line({ histories, crashes, failures }: Sum): string {
    const perMinute = histories / ((performance.now() - this.#fromMs) / 60_000);
    const wrong = failures.length === 0 ? 'nothing wrong' : `${failures.length} wrong`;
    return `${histories} of ${this.#count} histories, ${crashes} crashes, ${perMinute.toFixed(0)} a minute, ${wrong}`;
  }
}
