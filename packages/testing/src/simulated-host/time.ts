import type { Clock, Scheduler, Timer } from '@ashlar/core';

type Task = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** The one time of a simulated machine: it goes forward only when the next task is run. */
export class SimulatedTime implements Clock, Scheduler {
  #nowMs = 1_000;
  #order = 0;
  #tasks = new Set<Task>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    this.#order += 1;
    const tasks = this.#tasks;
    const task = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, run };
    tasks.add(task);
    return { cancel: () => tasks.delete(task) };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Runs the task that falls due next; false when there is none. */
  runNext(): boolean {
    let next: Task | undefined;
    for (const task of this.#tasks) {
      if (next === undefined || task.atMs < next.atMs || (task.atMs === next.atMs && task.order < next.order))
        next = task;
    }
    if (next === undefined) return false;
    this.#tasks.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.run();
    return true;
  }

  /** Whatever was to happen does not. */
  forgetTasks(): void {
    this.#tasks = new Set();
  }
}
