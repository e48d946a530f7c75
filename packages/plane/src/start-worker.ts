import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { Calls } from './rpc.ts';

/**
 * How the worker collects garbage: the young generation often, each time for less than a millisecond (three semi-spaces of 4 MiB, where
 * the default of 16 MiB holds every connection for two), and the old one seldom, as each time it takes a core for 40 ms. It gains
 * little that is meant to stay: some 30 MiB stay, and what a checkpoint made and dropped comes on top.
 */
const youngGenerationMiB = 12;
const oldGenerationMiB = 256;

/** The worker's environment: what this thread keeps of compiled code, the worker keeps as well. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const directory = getCompileCacheDir();
  // The directory has one inside for each version of Node: that is the one in use.
  return directory === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(directory) };
}

/**
 * Starts the data plane's worker. It loads its code at once, while this thread loads its own, and then waits for `Plane.start`;
 * until then it keeps no process alive.
 */
export function startWorker(): Worker {
  // Read when a heap is made: this thread has its own already.
  setFlagsFromString(`--initial-old-space-size=${oldGenerationMiB}`);
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    env: workerEnvironment(),
    name: 'data-0',
    // Those of this process are not given on: a worker takes few of them, and is refused with others.
    execArgv: ['--import', import.meta.resolve('@ashlar/core/with-sources')],
    resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMiB },
  });
  worker.unref();
  return worker;
}

/**
 * Ends a worker that was started ahead and not needed after all, if it has not ended: behind the loading of its code. A native
 * library whose start is cut off, as at the end of the process, aborts the process.
 */
export async function endWorker(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return;
  const end = once(worker, 'exit');
  worker.ref();
  void new Calls<{ leave(): void }>(worker, {}).remote.leave();
  await end;
}
