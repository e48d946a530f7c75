import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { environment, type Ended, type Variables } from './command.ts';
import type { Request } from './command-host.ts';

const script = new URL('command-host.ts', import.meta.url);

const most = availableParallelism();
const idle: ChildProcess[] = [];
const waiting: ((host: ChildProcess) => void)[] = [];
let count = 0;

/** Whether this process waits for it. */
function setKept(host: ChildProcess, isKept: boolean): void {
  for (const each of [host, host.channel]) {
    if (isKept) each?.ref();
    else each?.unref();
  }
}

/** A host that ends with this process. */
function start(): ChildProcess {
  const host = fork(script, { env: environment(), stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  setKept(host, false);
  return host;
}

function take(): ChildProcess | Promise<ChildProcess> {
  const host = idle.pop();
  if (host !== undefined) return host;
  if (count === most) return new Promise((resolve) => void waiting.push(resolve));
  count += 1;
  return start();
}

function giveBack(host: ChildProcess): void {
  const next = waiting.shift();
  if (next === undefined) idle.push(host);
  else next(host);
}

async function ask(host: ChildProcess, request: Request): Promise<Ended> {
  const over = new AbortController();
  const { signal } = over;
  setKept(host, true);
  try {
    host.send(request);
    const ended = once(host, 'exit', { signal }).then(([status]) => {
      throw new Error(`${request.words.join(' ')}: the process ended with ${String(status)}`);
    });
    const [response] = await Promise.race([once(host, 'message', { signal }) as Promise<[Ended]>, ended]);
    return response;
  } finally {
    over.abort();
    setKept(host, false);
  }
}

/**
 * `run` of command.ts in a process that ran others before: for tests of what a command says and does, and not of how a
 * process starts, which costs more than most commands do.
 */
export async function run(words: readonly string[], variables: Variables = {}, cwd = process.cwd()): Promise<Ended> {
  const host = await take();
  try {
    return await ask(host, { words, cwd, variables });
  } finally {
    if (host.exitCode === null && host.signalCode === null) giveBack(host);
    else giveBack(start());
  }
}
