/**
 * A result that is there at once or comes later. An operation that can be answered at once costs no promise; it may
 * throw at once or reject later, and callers treat both alike through the helpers below.
 */
export type Settled<T> = T | Promise<T>;

export function isPromise<T>(value: Settled<T>): value is Promise<T> {
  return value instanceof Promise;
}

/**
 * Runs `operation` and tells its outcome exactly once: `done(value)` or `failed(error)`, synchronously where the
 * operation settled synchronously. `done` and `failed` must not throw.
 */
export function settle<T>(
  operation: () => Settled<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  let result: Settled<T>;
  try {
    result = operation();
  } catch (error) {
    failed(error);
    return;
  }
  if (isPromise(result)) result.then(done, failed);
  else done(result);
}

/** Goes on with `next` when `value` is there; stays synchronous where `value` is. */
export function andThen<T, U>(value: Settled<T>, next: (value: T) => Settled<U>): Settled<U> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** Settles when all have, and only then rejects with the first failure in their order: none of them still uses what its caller owns. */
export async function allDone(operations: readonly Settled<void>[]): Promise<void> {
  const results = await Promise.allSettled(operations);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
