import type { Clock, Scheduler, Timer } from '@ashlar/core';

/** The process's own time, for tests of what runs on a real host or on none. */
export const systemTime: Clock & Scheduler = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs: number, task: () => void): Timer {
    const timer = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  soon(task: () => void): void {
    setImmediate(task);
  },
};
