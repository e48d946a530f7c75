import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { AshlarError, type RecordStore, type RecordsWalk } from '@ashlar/core';
import { recordRows } from '../inspect/record-rows.ts';

const command = fileURLToPath(new URL('./walk-child.ts', import.meta.url));

/** Of a process that only looks, beside one that serves. */
const niceness = 10;

/** What is sent to end a process says nothing of what it read. */
const fromOutside: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

/**
 * Looks at every record that is committed. Those that a library keeps are looked at in a copy, by a process of its own: their pages have
 * no checksums (rule 12), and a library that meets a damaged one may crash. An end of `ended` ends it with nothing.
 */
export async function walkRecords(
  records: RecordStore,
  path: string,
  ended: AbortSignal,
): Promise<RecordsWalk | undefined> {
  if (records.copyTo === undefined) return walkHere(records);
  const directory = `${path}/records-copy`;
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    await records.copyTo(directory);
    return await walkCopy(directory, ended);
  } catch (error) {
    if (ended.aborted) return undefined;
    return { records: 0, damaged: 0, reason: `the records could not be looked at: ${reasonOf(error)}` };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Looks at every record of a database that damage cannot crash. */
export function walkHere(records: RecordStore): RecordsWalk {
  let count = 0;
  let damaged = 0;
  for (const { value } of recordRows(records)) {
    count += 1;
    if (value === undefined) damaged += 1;
  }
  return { records: count, damaged, reason: undefined };
}

/** Looks at a database that nobody else has open. Fails where no process could look at it to an end that says anything of it. */
export async function walkCopy(directory: string, ended: AbortSignal): Promise<RecordsWalk | undefined> {
  if (ended.aborted) return undefined;
  const child = spawn(process.execPath, [command, directory], { stdio: ['ignore', 'pipe', 'pipe'], signal: ended });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  if (child.pid === undefined) return await failed;
  makeNice(child.pid);
  const [out, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (ended.aborted) return undefined;
  if (code === 0) {
    const { records, damaged, reason } = JSON.parse(out) as RecordsWalk;
    return { records, damaged, reason };
  }
  if (signal !== null && fromOutside.has(signal)) {
    throw new AshlarError('io', `the process that read them was ended by ${signal}`);
  }
  const how = signal === null ? errors.split('\n')[0] : `the process that read it ended by ${signal}`;
  return { records: 0, damaged: 1, reason: `there is no getting to the end of the pool's database: ${how}` };
}

function makeNice(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It has ended already.
  }
}

function reasonOf(error: unknown): string {
  return error instanceof AshlarError || error instanceof Error ? error.message : String(error);
}
