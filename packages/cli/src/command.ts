import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../bin/ashlar.js', import.meta.url));

export type Ended = { readonly status: number | null; readonly out: string; readonly errors: string };

/** What a test gives to be tidied up after. */
type Test = { teardown(tidy: () => void | Promise<unknown>): void };

/** A fresh directory that goes with the test. */
export function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-cli-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The tests of a file together: what they share is tidied up after the last. */
type File = { readonly after: { always(tidy: () => Promise<void>): void } };

function allOf(file: File): Test {
  const tidies: (() => void | Promise<unknown>)[] = [];
  file.after.always(async () => {
    for (const tidy of tidies.toReversed()) await tidy();
  });
  return { teardown: (tidy) => void tidies.push(tidy) };
}

/**
 * A data directory that is made when the first test of a file asks for it, since a server costs more than most tests; each
 * test has a copy of its own.
 */
export function madeOnce(file: File, make: (data: string) => Promise<void>): (t: Test) => Promise<string> {
  const all = allOf(file);
  let making: Promise<string> | undefined;
  const original = async (): Promise<string> => {
    const data = join(directory(all), 'data');
    await make(data);
    return data;
  };
  return async (t) => {
    const made = await (making ??= original());
    const data = join(directory(t), 'data');
    // Holes stay holes.
    const { status, errors } = await ended(spawn('cp', ['-a', made, data]));
    if (status !== 0) throw new Error(errors);
    return data;
  };
}

/** Set for a command, or with `undefined` not set. */
export type Variables = { readonly [name: string]: string | undefined };

/** The environment without what a developer's shell may have set for `ashlar`. */
export function environment(more: Variables = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('ASHLAR_'));
  return { ...Object.fromEntries(clean), ASHLAR_STORE_JOURNAL_SIZE: '32M', ASHLAR_STORE_OVERLAY_SIZE: '8M', ...more };
}

function launch(parameters: readonly string[], more: Variables = {}, cwd?: string): ChildProcess {
  return spawn(process.execPath, [bin, ...parameters], {
    env: environment(more),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
}

export function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let out = '';
    let errors = '';
    child.stdout?.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr?.on('data', (part: Buffer) => (errors += part.toString()));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, out, errors }));
  });
}

export const run = (parameters: readonly string[], more: Variables = {}, cwd?: string): Promise<Ended> =>
  ended(launch(parameters, more, cwd));

type Served = { readonly child: ChildProcess; readonly gone: Promise<Ended>; readonly out: string };

/** Settles when the server says how to attach; rejects with its words when it ends before. */
async function listening(child: ChildProcess): Promise<Served> {
  const gone = ended(child);
  let out = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (part: Buffer) => {
      out += part.toString();
      if (out.includes('image:')) resolve();
    });
    void gone.then(({ errors }) => reject(new Error(errors)));
  });
  return { child, gone, out };
}

/** Starts a server on free ports. */
export function serveIn(data: string, more: readonly string[] = [], variables: Variables = {}): Promise<Served> {
  const parameters = ['serve', '--data', data, '--port', '0', '--admin-port', '0', '--log-level', 'warn', ...more];
  return listening(launch(parameters, variables));
}

/** A server of its own for a test, stopped with it. */
export async function serve(t: Test, ...more: string[]): Promise<Served & { readonly data: string }> {
  const data = join(directory(t), 'data');
  const served = await serveIn(data, more);
  t.teardown(async () => {
    served.child.kill('SIGTERM');
    await served.gone;
  });
  return { ...served, data };
}

/** A server that is started when the first test of a file asks for it, for all that change nothing which others see. */
export function serveOnce(file: File, ...more: string[]): () => ReturnType<typeof serve> {
  const all = allOf(file);
  let served: ReturnType<typeof serve> | undefined;
  return () => (served ??= serve(all, ...more));
}
