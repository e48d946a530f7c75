import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type CheckResult = {
  readonly id: string;
  readonly title: string;
  readonly level: 'MUST' | 'SHOULD' | 'MAY';
  readonly result: 'pass' | 'fail' | 'skip' | 'note';
  readonly detail?: string;
};

const command = fileURLToPath(new URL('../../packages/nfs/bin/nfs3-conformance.js', import.meta.url));

/** Runs the suite as its users do. Rejects when it could not check the server at all. */
export const conformance = (server: string, ...options: readonly string[]): Promise<CheckResult[]> =>
  suite(process.execPath, [command, server, '--json', ...options]);

/** The same in a network namespace. */
export const conformanceInside = (netns: string, server: string): Promise<CheckResult[]> =>
  suite('ip', ['netns', 'exec', netns, process.execPath, command, server, '--json']);

function suite(program: string, words: readonly string[]): Promise<CheckResult[]> {
  return new Promise((resolve, reject) => {
    execFile(program, words, { timeout: 300_000, maxBuffer: 2 ** 26 }, (error, out, err) => {
      if (out === '') reject(new Error(`the suite did not run: ${err}`, { cause: error }));
      else resolve((JSON.parse(out) as { results: CheckResult[] }).results);
    });
  });
}
