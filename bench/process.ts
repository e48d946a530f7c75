import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A program that runs beside the benchmark, ended by its process id. */
export type Program = {
  readonly pid: number;
  /** Everything that it wrote so far, for the sentence that says why it did not start. */
  output(): string;
  hasEnded(): boolean;
  /** Settles when the process is gone. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
};

/** How much of a program's output is kept. */
const keptOutput = 65536;

export function start(
  command: string,
  options: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(command, options, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => (output = (output + part.toString()).slice(-keptOutput)));
  }
  const gone = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', (error) => {
      output += error.message;
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    hasEnded: () => isOver(child),
    async stop(signal = 'SIGTERM') {
      if (!isOver(child)) child.kill(signal);
      await gone;
    },
  };
}

const isOver = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

/** A program that puts itself into the background and writes its process id into a file. */
export async function startDaemon(command: string, options: readonly string[], pidFile: string): Promise<Program> {
  await run(command, options);
  const pid = Number(await eventually(() => readFile(pidFile, 'utf8'), `${command} wrote no ${pidFile}`));
  return {
    pid,
    output: () => '',
    hasEnded: () => !isAlive(pid),
    async stop(signal = 'SIGTERM') {
      if (isAlive(pid)) process.kill(pid, signal);
      while (isAlive(pid)) await delay(10);
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end and answers with what it printed; a status but 0 rejects with its errors. */
export function run(command: string, options: readonly string[]): Promise<string> {
  const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(out);
      else reject(new Error(`${command} ${options.join(' ')} ended with status ${status}: ${errors || out}`));
    });
  });
}

const startTimeoutMs = 60_000;

/** Tries again until it works. */
async function eventually<T>(attempt: () => Promise<T>, sentence: string, givesUp?: () => boolean): Promise<T> {
  const untilMs = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > untilMs || givesUp?.() === true) throw new Error(sentence, { cause: error });
    }
    await delay(5);
  }
}

function connectOnce(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

/** Settles when something accepts connections at a Unix socket; rejects when the program that should has ended. */
export async function accepting(program: Program, path: string): Promise<void> {
  try {
    await eventually(
      () => connectOnce(path),
      `nothing listens at ${path}`,
      () => program.hasEnded(),
    );
  } catch (error) {
    throw new Error(`the server did not start: ${program.output()}`, { cause: error });
  }
}
