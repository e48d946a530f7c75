import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';

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
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { env: workerEnvironment(), name: 'data-0' });
  worker.unref();
  return worker;
}
