/** The server did what the document forbids, or did not do what it asks. The message is the whole finding. */
export class Failed extends Error {}

/** The check cannot be made on this server; the message is why. */
export class Skipped extends Error {}

/** A mistake in what the user typed; the message is the whole sentence. */
export class UsageError extends Error {}

export function expect(condition: boolean, finding: string): asserts condition {
  if (!condition) throw new Failed(finding);
}

/** The two are alike, as far as they can be written. */
export function same(found: unknown, expected: unknown, what: string): void {
  const [one, other] = [textOf(found), textOf(expected)];
  expect(one === other, `${what}: ${one} in place of ${other}`);
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return each.toString();
    return each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each;
  });
