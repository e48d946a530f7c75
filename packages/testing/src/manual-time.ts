import type { Clock, Scheduler, Timer } from '@ashlar/core';

type Task = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** A clock that stands still until a test moves it, and a scheduler that runs on it. */
export class ManualTime implements Clock, Scheduler {
  #nowMs = 0;
  #order = 0;
  readonly #tasks = new Set<Task>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    this.#order += 1;
    const task = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, run };
    this.#tasks.add(task);
    return { cancel: () => this.#tasks.delete(task) };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Lets time go by and runs what falls due, in its order, with the promises that hang on it. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (let task = this.#first(untilMs); task !== undefined; task = this.#first(untilMs)) {
      this.#tasks.delete(task);
      this.#nowMs = Math.max(this.#nowMs, task.atMs);
      task.run();
      await settlePromises();
    }
    this.#nowMs = untilMs;
    await settlePromises();
  }

  #first(untilMs: number): Task | undefined {
    let first: Task | undefined;
    for (const task of this.#tasks) {
      if (task.atMs > untilMs) continue;
      if (first === undefined || task.atMs < first.atMs || (task.atMs === first.atMs && task.order < first.order)) {
        first = task;
      }
    }
    return first;
  }
}

/** A turn of the event loop runs every promise that can go on now. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
