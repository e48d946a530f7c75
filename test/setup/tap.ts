/** What a runner reported in TAP, counted from its test lines. */
export type Counts = {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
};

const point = /^(not )?ok \d+ - (.*)$/;
const directive = /\s+# (skip|todo)\b.*$/i;

/** Counts test lines as they come; text may arrive cut anywhere. */
export class TapCounter {
  #rest = '';
  #passed = 0;
  readonly #failed: string[] = [];
  readonly #skipped: string[] = [];

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
  }

  /** The counts once everything was added. */
  finish(): Counts {
    this.#line(this.#rest);
    this.#rest = '';
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped };
  }

  #line(line: string): void {
    const match = point.exec(line);
    if (match === null) return;
    const title = match[2]!.replace(directive, '');
    if (directive.test(match[2]!)) this.#skipped.push(title);
    else if (match[1] === undefined) this.#passed++;
    else this.#failed.push(title);
  }
}
