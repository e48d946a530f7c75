import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a test gives to be tidied up after. What was registered last is tidied up first. */
export type Test = { teardown(tidy: () => void | Promise<unknown>): void };

/** Whether everything runs in full (`npm run test:long`). */
export const long = process.env['ASHLAR_LONG'] === '1';

/** A server that runs, with one volume `demo`. */
export type Served = {
  /** URI of the volume. */
  readonly uri: string;
  /** URI of the server, for clients that list exports. */
  readonly server: string;
  readonly port: string;
  /** What mounts a file volume, where `more` asked for one: a line for a shell. */
  readonly mount: string | undefined;
  /** Of the server's process. */
  readonly pid: number;
  /** Ends the server as a power cut would end it: no signal handler runs. */
  readonly kill: () => Promise<void>;
  /** Asks the server to stop, waits until it has, and gives its exit status (null where a signal ended it). */
  readonly stop: () => Promise<number | null>;
  /** Asks the server to read its configuration again. */
  readonly reload: () => void;
};

export const root = fileURLToPath(new URL('../..', import.meta.url));

const bin = join(root, 'packages/cli/bin/ashlar.js');

/** Administrators' programs (mkfs, losetup) are often not on a user's PATH. The settings of a developer's shell are left out. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ASHLAR_'))),
  PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
};

/** How long a server may take to stop when it is asked to. */
const stopMs = 30_000;

/** Each program leads a process group of its own, which ends whole. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The kernel ends the program when the process of the tests ends, also where that was killed at a time limit. */
function launch(command: string, parameters: readonly string[], cwd: string): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', command, ...parameters], {
    cwd,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

/** A fresh directory that goes with the test. */
export function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-clients-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

type ShellOptions = {
  readonly cwd?: string;
  /** The commands are ended after this time, and the answer rejects. 100 s where nothing is said. */
  readonly timeoutMs?: number;
  /** Told of all that was printed until now, whenever something is. */
  readonly heard?: (out: string) => void;
};

/**
 * Runs commands of the shell and answers with what they printed on both streams. The first that fails ends them, and the
 * answer rejects with the last that was printed.
 */
export async function shell(commands: string, options: ShellOptions = {}): Promise<string> {
  const { cwd = tmpdir(), heard, timeoutMs = 100_000 } = options;
  const child = launch('/bin/sh', ['-e', '-c', commands], cwd);
  let out = '';
  const hear = (text: string): void => {
    out += text;
    heard?.(out);
  };
  child.stdout!.setEncoding('utf8').on('data', hear);
  child.stderr!.setEncoding('utf8').on('data', hear);
  const limit = setTimeout(() => {
    out += `\n(ended after ${timeoutMs} ms)`;
    killGroup(child);
  }, timeoutMs);
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(limit);
  if (status !== 0) throw new Error(`status ${status ?? signal} of: ${commands}\n${out.slice(-4000)}`);
  return out;
}

/** Runs a command of `ashlar` against the server of a data directory, as `shell` does. `redirection`: such as `< FILE`. */
export function ashlar(data: string, command: string, redirection = ''): Promise<string> {
  return shell(`${process.execPath} ${bin} ${command} --data ${data} ${redirection}`);
}

/** Runs a command of `ashlar` that needs no server, as `shell` does. */
export function ashlarAlone(command: string, options: ShellOptions): Promise<string> {
  return shell(`${process.execPath} ${bin} ${command}`, options);
}

/** Settles with what the server says when it listens; rejects with its words when it ends before. */
function greeting(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = '';
    const hear = (text: string): void => {
      out += text;
      if (out.includes('image:')) resolve(out);
    };
    child.stdout!.setEncoding('utf8').on('data', hear);
    child.stderr!.setEncoding('utf8').on('data', hear);
    child.once('close', () => reject(new Error(`the server ended: ${out}`)));
  });
}

/** Serves the pool in `data`, where the volume `demo` is made when it is not there, until the test ends. `more`: options of `ashlar serve`. */
export function serve(t: Test, data: string, size: string, ...more: readonly string[]): Promise<Served> {
  return serveBy([], t, data, size, '--nfs-port', '0', ...more);
}

/** The same in a network namespace. */
export function serveIn(
  netns: string,
  t: Test,
  data: string,
  size: string,
  ...more: readonly string[]
): Promise<Served> {
  return serveBy(['ip', 'netns', 'exec', netns], t, data, size, ...more);
}

/** The same by a program that runs another: its name and its parameters. */
export async function serveBy(
  runner: readonly string[],
  t: Test,
  data: string,
  size: string,
  ...more: readonly string[]
): Promise<Served> {
  const options = ['--data', data, '--port', '0', '--admin-port', '0', '--volume', `demo:${size}`];
  const words = [...runner, process.execPath, bin, 'serve', ...options, '--log-level', 'warn', ...more];
  const child = launch(words[0]!, words.slice(1), tmpdir());
  const gone = once(child, 'close');
  let killed = false;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    await gone;
    return child.exitCode;
  };
  t.teardown(async () => {
    const limit = setTimeout(() => killGroup(child), stopMs);
    await end('SIGTERM');
    clearTimeout(limit);
    if (child.signalCode === 'SIGKILL' && !killed) throw new Error(`the server did not stop in ${stopMs} ms`);
  });
  const kill = async (): Promise<void> => {
    killed = true;
    await end('SIGKILL');
  };
  const greeted = await greeting(child);
  const [, server, port] = /'(nbd:\/\/[\d.]+:(\d+))\/demo'/.exec(greeted)!;
  const [, mount] = /files: +(mount .*)/.exec(greeted) ?? [];
  const reload = (): void => void child.kill('SIGHUP');
  return {
    uri: `${server}/demo`,
    server: server!,
    port: port!,
    mount,
    pid: child.pid!,
    kill,
    stop: () => end('SIGTERM'),
    reload,
  };
}

/** Runs commands of qemu-io, each of which must succeed: a pattern that is not found is a failure. */
export function qemuIo(uri: string, ...commands: readonly string[]): Promise<string> {
  const mode = commands.every((command) => command.startsWith('read')) ? '-r ' : '';
  return shell(`qemu-io ${mode}-f raw -d unmap ${commands.map((command) => `-c '${command}'`).join(' ')} ${uri}`);
}
