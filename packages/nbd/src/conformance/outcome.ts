/** The server did what the document forbids, or did not do what it asks. The message is the whole finding. */
export class Failed extends Error {}

/** The check cannot be made on this server; the message is why. */
export class Skipped extends Error {}

/** The server ended the connection. Most checks let it through, and the runner reports it as a failure. */
export class ConnectionEnded extends Failed {}

export function expect(condition: boolean, finding: string): asserts condition {
  if (!condition) throw new Failed(finding);
}

/** Runs `work` and puts `where` before its finding. */
export async function within<Value>(where: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConnectionEnded) throw new ConnectionEnded(`${where}: ${error.message}`);
    if (error instanceof Failed) throw new Failed(`${where}: ${error.message}`);
    throw error;
  }
}
