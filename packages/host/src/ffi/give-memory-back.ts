import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { libc } from './libc.ts';

type Collect = (options?: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

/** V8's own collector, which contexts show that were made behind this flag: an option on the command line cannot be relied on. */
function findCollect(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** glibc's; another C library gives its free memory back by itself. */
function findTrim(): (keep: number) => number {
  try {
    return libc.func('int malloc_trim(size_t keep)');
  } catch {
    return () => 0;
  }
}

let collect: Collect | undefined;
let trim: ((keep: number) => number) | undefined;

/**
 * Gives the system what this thread's JavaScript and the process's malloc hold and do not use. Holds the thread for some
 * 200 ms: for a thread that has nothing to do.
 */
export function giveMemoryBack(): void {
  collect ??= findCollect();
  trim ??= findTrim();
  // What the first one finds dead may be the last that refers to buffers: the second frees them.
  collect();
  collect({ type: 'major', flavor: 'last-resort' });
  trim(0);
}
