import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type CheckResult = {
  readonly id: string;
  readonly title: string;
  readonly level: 'MUST' | 'SHOULD' | 'MAY';
  readonly result: 'pass' | 'fail' | 'skip' | 'note';
  readonly detail?: string;
};

const command = fileURLToPath(new URL('../../packages/nbd/bin/nbd-conformance.js', import.meta.url));

/** Runs the suite as its users do. Rejects when it could not check the server at all. */
export function conformance(uri: string, ...options: readonly string[]): Promise<CheckResult[]> {
  const words = [command, uri, '--json', ...options];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, words, { timeout: 300_000, maxBuffer: 2 ** 26 }, (error, out, err) => {
      if (out === '') reject(new Error(`the suite did not run: ${err}`, { cause: error }));
      else resolve((JSON.parse(out) as { results: CheckResult[] }).results);
    });
  });
}

/** The ids of what failed, sorted. */
export function failed(results: readonly CheckResult[]): string[] {
  return results
    .filter(({ result }) => result === 'fail')
    .map(({ id }) => id)
    .toSorted();
}
