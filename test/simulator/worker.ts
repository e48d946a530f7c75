import { parentPort, workerData } from 'node:worker_threads';
import { watchRejections } from './rejections.ts';
import { SeedRunner, type SeedOptions } from './run-seed.ts';

/** What a worker says of the history of a seed. */
export type Told = { readonly seed: number; readonly crashes: number; readonly problem: string | undefined };

watchRejections();
const runner = new SeedRunner();
const options = workerData as Omit<SeedOptions, 'seed'>;

parentPort?.on('message', async (seed: number) => {
  const { crashes, problem } = await runner.run({ ...options, seed });
  parentPort?.postMessage({ seed, crashes, problem } satisfies Told);
});
