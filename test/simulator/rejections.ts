const rejected: unknown[] = [];

/** From now on a promise that fails and that nobody waits for is found out, where it would end a server. */
export function watchRejections(): void {
  process.on('unhandledRejection', (reason) => rejected.push(reason));
}

/** What is wrong with the history that has just ended. */
export function takeRejection(): string | undefined {
  const [first] = rejected.splice(0);
  if (first === undefined) return undefined;
  return `nobody waited for a promise that failed: ${first instanceof Error ? first.stack : String(first)}`;
}
