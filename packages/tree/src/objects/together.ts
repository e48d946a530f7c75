import { allDone, isPromise, type Settled } from '@ashlar/core';

/** Asks for all of them in their order, one not waiting for the other, and settles when each has: nobody uses what the caller owns any more. */
export function together(operations: readonly (() => Settled<void>)[]): Settled<void> {
  const [only] = operations;
  if (only !== undefined && operations.length === 1) return only();
  const waiting: Promise<void>[] = [];
  for (const operation of operations) {
    try {
      const done = operation();
      if (isPromise(done)) waiting.push(done);
    } catch (error) {
      waiting.push(Promise.reject(error as Error));
    }
  }
  if (waiting.length > 0) return allDone(waiting);
}
