import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { TapCounter, type Counts } from './tap.ts';

/** One step of the run: a group of tests, or a check of the sources that is one thing. */
export type Step = Counts & { readonly name: string; readonly seconds: number };

/** Runs a program with its output shown, and answers with its exit status (128 + 9 for one that a signal ended). */
function run(command: readonly string[], onOutput: (text: string) => void): Promise<number> {
  const [program, ...rest] = command;
  const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    onOutput(text);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 137));
  });
}

async function timed(name: string, body: () => Promise<Counts>): Promise<Step> {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const counts = await body();
  return { name, ...counts, seconds: (performance.now() - start) / 1000 };
}

/** A check that passes or fails as a whole, and is no test: only its failure is counted. */
export function check(name: string, command: readonly string[]): Promise<Step> {
  return timed(name, async () => {
    const status = await run(command, () => {});
    return { passed: 0, failed: status === 0 ? [] : [`${name} (exit status ${status})`], skipped: [] };
  });
}

/** The tests of one folder, counted from AVA's own report. */
export function tests(folder: string, options: readonly string[]): Promise<Step> {
  return timed(folder, async () => {
    const counter = new TapCounter();
    const status = await run(['ava', '--tap', ...options, `${folder}/**/*.test.ts`], (text) => counter.add(text));
    const counts = counter.finish();
    const ran = counts.passed + counts.failed.length + counts.skipped.length > 0;
    if (ran && (status === 0 || counts.failed.length > 0)) return counts;
    return { ...counts, failed: [...counts.failed, `${folder}: the runner ended with status ${status}`] };
  });
}

/** Every folder that holds tests: a package, a topic of `test/`, or the benchmarks. */
export function testFolders(): readonly string[] {
  const files = globSync(['packages/*/src/**/*.test.ts', 'test/*/**/*.test.ts', 'bench/**/*.test.ts']);
  const folders = files.map((file) => /^(?:(?:packages|test)\/[^/]+|bench)/.exec(file)![0]);
  return [...new Set(folders)].toSorted();
}
