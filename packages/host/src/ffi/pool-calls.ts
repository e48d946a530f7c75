import { assert } from '@ashlar/core';
import { lastErrno, poolCallLimit } from './libc.ts';

/** Starts an asynchronous FFI call and tells its result to `done`. */
type Start = (done: (error: unknown, result: number) => void) => void;

type Call = {
  readonly start: Start;
  /** Memory that the call reads or writes: held here until it is over, since the pool's thread holds nothing. */
  readonly memory: unknown;
  readonly resolve: (result: number) => void;
  readonly reject: (error: unknown) => void;
};

const waitingLimit = 1 << 20;
const running = new Set<Call>();
let waiting: Call[] = [];
let next = 0;

function finish(call: Call): void {
  running.delete(call);
  if (next === waiting.length) return;
  begin(waiting[next++]!);
  if (next === waiting.length) {
    waiting = [];
    next = 0;
  }
}

function begin(call: Call): void {
  running.add(call);
  call.start((error, result) => {
    const outcome = result < 0 ? -lastErrno() : result;
    finish(call);
    if (error === null) call.resolve(outcome);
    else call.reject(error);
  });
}

/**
 * Runs a system call on the thread pool, first come first served. Gives its result, or minus errno where it failed.
 * `memory` stays alive until then.
 */
export function onPool(memory: unknown, start: Start): Promise<number> {
  return new Promise((resolve, reject) => {
    const call: Call = { start, memory, resolve, reject };
    if (running.size < poolCallLimit) begin(call);
    else {
      assert(waiting.length - next < waitingLimit, 'callers bound what they have in flight');
      waiting.push(call);
    }
  });
}
