import type { Clock, Random, Scheduler } from '@ashlar/core';
import { bootTimeMs } from '../ffi/clock-gettime.ts';

export const realClock: Clock = { monotonicMs: bootTimeMs, wallMs: () => Date.now() };

/** Loaded by those who ask for chance, since that takes longer than most of what commands do. */
const crypto = () => process.getBuiltinModule('node:crypto');

export const realRandom: Random = {
  below: (limit) => crypto().randomInt(limit),
  fill: (bytes) => void crypto().randomFillSync(bytes),
};

let soon = 0;

/** Tasks of `realScheduler.soon` that wait for their turn: a thread that sleeps would keep them waiting. */
export const pendingSoon = (): number => soon;

export const realScheduler: Scheduler = {
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon(task) {
    soon += 1;
    setImmediate(() => {
      soon -= 1;
      task();
    });
  },
};
