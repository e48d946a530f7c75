import { Worker } from 'node:worker_threads';
import type { SeedOptions } from './run-seed.ts';
import type { Told } from './worker.ts';

/** After so many that failed no more are begun. */
const mostFailures = 20;

export type ManyOptions = {
  readonly first: number;
  readonly count: number;
  readonly workers: number;
  readonly each: Omit<SeedOptions, 'seed'>;
  /** After each: all until now, and that one. */
  readonly told: (sum: Sum, last: Told) => void;
};

export type Sum = {
  readonly histories: number;
  readonly crashes: number;
  /** Seeds whose histories went wrong. */
  readonly failures: readonly number[];
};

/** Runs the histories of many seeds, as many at once as there are workers, each of which takes the next seed when it is done. */
export async function runMany({ first, count, workers, each, told }: ManyOptions): Promise<Sum> {
  let sum: Sum = { histories: 0, crashes: 0, failures: [] };
  let next = first;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url), {
        workerData: each,
        // Most of what a history makes is gone with it: in a larger place the collector finds less that lives.
        resourceLimits: { maxYoungGenerationSizeMb: 64 },
      });
      const goOn = (): void => {
        if (next >= first + count || sum.failures.length >= mostFailures) {
          void worker.terminate().then(() => resolve());
          return;
        }
        worker.postMessage(next);
        next += 1;
      };
      worker.on('error', reject);
      worker.on('message', (last: Told) => {
        const failures = last.problem === undefined ? sum.failures : [...sum.failures, last.seed];
        sum = { histories: sum.histories + 1, crashes: sum.crashes + last.crashes, failures };
        told(sum, last);
        goOn();
      });
      goOn();
    });
  await Promise.all(Array.from({ length: Math.min(workers, count) }, run));
  return { ...sum, failures: sum.failures.toSorted((left, right) => left - right) };
}
