/**
 * The seams through which time, chance and turns reach the code, so that a simulator can hold all three from one seed.
 * Everything below the servers takes these and never the globals.
 */
export interface Clock {
  /** Milliseconds that only go forward, on a clock that runs on in suspend; the origin means nothing. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for people and file times only: correctness never rests on it. */
  wallMs(): number;
}

export interface Random {
  /** A whole number in [0, limit). */
  below(limit: number): number;
  /** Fills the bytes with random ones. */
  fill(bytes: Uint8Array): void;
}

export interface Timer {
  cancel(): void;
}

export interface Scheduler {
  /** Runs `task` once, not before `delayMs` have gone by. It keeps no process alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` in a later turn, after input and output had theirs. */
  soon(task: () => void): void;
}
