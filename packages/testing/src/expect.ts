import { AshlarError, type ErrorKind, type Settled } from '@ashlar/core';
import type { ExecutionContext } from 'ava';

/** The operation fails with this kind, at once or later; gives the error. */
export async function failsWith(
  t: ExecutionContext,
  kind: ErrorKind,
  operation: () => Settled<unknown>,
  what: string = kind,
): Promise<AshlarError | undefined> {
  try {
    await operation();
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    t.is(error.kind, kind, `${what}: ${error.message}`);
    return error;
  }
  t.fail(`${what}: it should have failed with ${kind}`);
  return undefined;
}

/** The first byte that differs, in words; nothing when there is none. */
export function firstDifference(expected: Uint8Array, found: Uint8Array): string | undefined {
  if (expected.length !== found.length) return `${found.length} bytes in place of ${expected.length}`;
  if (Buffer.compare(expected, found) === 0) return undefined;
  const index = expected.findIndex((byte, at) => byte !== found[at]);
  return `byte ${index} of ${expected.length} is ${found[index]} and should be ${expected[index]}`;
}

/** As `deepEqual`, without printing a megabyte. */
export function sameBytes(t: ExecutionContext, expected: Uint8Array, found: Uint8Array, what: string): void {
  t.is(firstDifference(expected, found), undefined, what);
}
