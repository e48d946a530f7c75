import { randomFillSync, randomInt } from 'node:crypto';
import type { Clock, Random, Scheduler } from '@ashlar/core';
import { bootTimeMs } from '../ffi/clock-gettime.ts';

export const realClock: Clock = { monotonicMs: bootTimeMs, wallMs: () => Date.now() };

export const realRandom: Random = {
  below: (limit) => randomInt(limit),
  fill: (bytes) => void randomFillSync(bytes),
};

export const realScheduler: Scheduler = {
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (task) => void setImmediate(task),
};
