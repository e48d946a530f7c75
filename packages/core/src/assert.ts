/** A broken assertion is a bug of ours, never a peer's mistake: it is not an AshlarError and nobody catches it to go on. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
