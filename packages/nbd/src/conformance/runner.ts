import type { Check, Level } from './check.ts';
import { Client } from './client.ts';
import type { Facts } from './facts.ts';
import { Failed, Skipped } from './outcome.ts';
import { probe } from './probe.ts';
import type { Target } from './target.ts';

export type Result = {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly level: Level;
  /** `note`: passed, with something worth knowing that the document leaves open. */
  readonly result: 'pass' | 'fail' | 'skip' | 'note';
  /** What was found, why it was skipped, or the note. */
  readonly detail?: string;
};

export type RunOptions = {
  /** Run only what writes nothing. */
  readonly readOnly: boolean;
  /** How long the server may be silent, in all directions, while a check waits for it. */
  readonly timeoutMs: number;
  readonly onResult?: (result: Result) => void;
};

/**
 * A silence is so many looks without a step. They are counted, and not the time: where this process gets no processor, the
 * looks are late as well, and whatever came meanwhile is seen before the next one.
 */
const looks = 20;

/** So many times the longest silence is the most that a check may take of which each step comes in time. */
const patience = 20;

/**
 * Rejects with Failed when nothing comes or goes for `timeoutMs`, however long `work` takes as a whole, up to a limit for
 * servers that never end. The client's connections are closed in any case.
 */
async function bounded<Value>(client: Client, timeoutMs: number, work: () => Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    let steps = 0;
    let silent = 0;
    let looked = 0;
    timer = setInterval(() => {
      silent = client.steps === steps ? silent + 1 : 0;
      steps = client.steps;
      looked += 1;
      const { waitingFor } = client;
      if (silent >= looks) reject(new Failed(`nothing came in ${timeoutMs} ms while waiting for ${waitingFor}`));
      if (looked >= looks * patience) reject(new Failed(`there was no end while waiting for ${waitingFor}`));
    }, timeoutMs / looks);
  });
  const working = work();
  try {
    return await Promise.race([working, late]);
  } finally {
    clearInterval(timer);
    client.closeAll();
    // Closing its connections ends what was late; what it then says of them is of no interest.
    working.catch(() => undefined);
  }
}

function reasonToSkip(check: Check, facts: Facts, options: RunOptions): string | undefined {
  if (options.readOnly && check.writes === true) return 'it writes to the export';
  if (!facts.isOpen && check.plain !== true) return 'the server insists on TLS and no TLS material was given';
  for (const need of check.needs ?? []) {
    const reason = need(facts);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

async function runCheck(check: Check, facts: Facts, target: Target, options: RunOptions): Promise<Result> {
  const { id, title, source, level } = check;
  const about = { id, title, source, level };
  const reason = reasonToSkip(check, facts, options);
  if (reason !== undefined) return { ...about, result: 'skip', detail: reason };
  const client = new Client(target);
  try {
    const note = await bounded(client, options.timeoutMs, () => check.run(client, facts));
    return typeof note === 'string' ? { ...about, result: 'note', detail: note } : { ...about, result: 'pass' };
  } catch (error) {
    if (error instanceof Skipped) return { ...about, result: 'skip', detail: error.message };
    if (error instanceof Failed) return { ...about, result: 'fail', detail: error.message };
    throw error;
  }
}

/** Looks at the server. Throws Failed and ExportRefused. */
export function look(target: Target, timeoutMs: number): Promise<Facts> {
  const client = new Client(target);
  return bounded(client, timeoutMs, () => probe(client));
}

/** Whether the server still greets a new client. */
async function greets(target: Target, timeoutMs: number): Promise<boolean> {
  const client = new Client(target);
  try {
    await bounded(client, timeoutMs, () => client.greet());
    return true;
  } catch (error) {
    if (error instanceof Failed) return false;
    throw error;
  }
}

/**
 * Runs `checks` one after the other. When the server no longer greets after one of them, that one has failed and those
 * after it are skipped.
 */
export async function runChecks(
  checks: readonly Check[],
  facts: Facts,
  target: Target,
  options: RunOptions,
): Promise<Result[]> {
  const results: Result[] = [];
  let goneSince: string | undefined;
  for (const check of checks) {
    let result: Result;
    if (goneSince === undefined) {
      result = await runCheck(check, facts, target, options);
      if (result.result !== 'skip' && !(await greets(target, options.timeoutMs))) {
        goneSince = check.id;
        const found = result.result === 'fail' ? `${result.detail}; ` : '';
        result = { ...result, result: 'fail', detail: `${found}afterwards the server greets no new client` };
      }
    } else {
      const { id, title, source, level } = check;
      result = { id, title, source, level, result: 'skip', detail: `the server is gone since ${goneSince}` };
    }
    options.onResult?.(result);
    results.push(result);
  }
  return results;
}
