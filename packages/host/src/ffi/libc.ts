import { config, errno, load } from 'koffi';

/**
 * Calls that may run on the thread pool at once. Up to here koffi keeps their stacks; each one above would cost it an
 * allocation of some 20 µs. libuv's pool has fewer threads than that anyway.
 */
const wantedPoolCalls = 32;

function settings(): number {
  try {
    config({ resident_async_pools: wantedPoolCalls, async_stack_size: 64 * 1024, async_heap_size: 64 * 1024 });
  } catch {
    // Another package of this thread loaded a library before; then its settings hold.
  }
  return config().resident_async_pools ?? 1;
}

/** How many calls one thread hands to the pool at once. */
export const poolCallLimit = settings();

/** The C library of the process; each function of it is declared once, in the file of its system call. */
export const libc = load(null);

/** errno of this thread's last call; inside the callback of an asynchronous call that call's. */
export const lastErrno = (): number => errno();
