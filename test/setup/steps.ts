import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { TapCounter, type Counts } from './tap.ts';

/** One step of the run: a group of tests, or a check of the sources that is one thing. */
export type Step = Counts & { readonly name: string; readonly seconds: number };

type Ear = (text: string) => void;

/** Runs a program, tells what it writes to each stream, and answers with its exit status (128 + 9 for one that a signal ended). */
function run(command: readonly string[], onOutput: Ear, onErrors: Ear): Promise<number> {
  const [program, ...rest] = command;
  const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.setEncoding('utf8').on('data', onOutput);
  child.stderr.setEncoding('utf8').on('data', onErrors);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 137));
  });
}

async function timed(name: string, body: () => Promise<Counts>): Promise<Step> {
  const start = performance.now();
  const counts = await body();
  return { name, ...counts, seconds: (performance.now() - start) / 1000 };
}

const show: Ear = (text) => void process.stdout.write(text);

const heading = (name: string): string => `\n== ${name}\n`;

/** A check that passes or fails as a whole, and is no test: only its failure is counted. */
export function check(name: string, command: readonly string[]): Promise<Step> {
  return timed(name, async () => {
    show(heading(name));
    const status = await run(command, show, show);
    return { passed: 0, failed: status === 0 ? [] : [`${name} (exit status ${status})`], skipped: [] };
  });
}

/** The tests of one folder, a file after the other, counted from AVA's own report, which is shown when they have ended. */
function testsOf(folder: string, options: readonly string[]): Promise<Step> {
  return timed(folder, async () => {
    const counter = new TapCounter();
    const output = [heading(folder)];
    const command = ['ava', '--tap', '--concurrency', '1', ...options, `${folder}/**/*.test.ts`];
    const keep: Ear = (text) => void output.push(text);
    const count: Ear = (text) => {
      keep(text);
      counter.add(text);
    };
    const status = await run(command, count, keep);
    show(output.join(''));
    const counts = counter.finish();
    const ran = counts.passed + counts.failed.length + counts.skipped.length > 0;
    if (ran && (status === 0 || counts.failed.length > 0)) return counts;
    return { ...counts, failed: [...counts.failed, `${folder}: the runner ended with status ${status}`] };
  });
}

/** They begin first, so that none of them is left alone at the end: in the long form or in the short one. */
const longest = [
  'packages/image',
  'test/power-cut',
  'test/clients',
  'packages/store',
  'test/simulator',
  'packages/cli',
  'test/nfs',
  'test/nbd-conformance',
];

/** The tests of several folders, some at once: one more than there are processors, since many tests wait for a disk. */
export async function tests(folders: readonly string[], options: readonly string[]): Promise<Step[]> {
  const waiting = [
    ...longest.filter((name) => folders.includes(name)),
    ...folders.filter((name) => !longest.includes(name)),
  ];
  const steps: Step[] = [];
  const lane = async (): Promise<void> => {
    for (let folder = waiting.shift(); folder !== undefined; folder = waiting.shift()) {
      steps.push(await testsOf(folder, options));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane));
  return steps.toSorted((one, other) => folders.indexOf(one.name) - folders.indexOf(other.name));
}

/** Every folder that holds tests: a package, a topic of `test/`, or the benchmarks. */
export function testFolders(): readonly string[] {
  const files = globSync(['packages/*/src/**/*.test.ts', 'test/*/**/*.test.ts', 'bench/**/*.test.ts']);
  const folders = files.map((file) => /^(?:(?:packages|test)\/[^/]+|bench)/.exec(file)![0]);
  return [...new Set(folders)].toSorted();
}
