import { nothingSet } from '../codec/types.ts';
import { AshlarError } from '@ashlar/core';
import { fileType } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { RejectedCall } from '../client/rpc-client.ts';
import type { Check } from './check.ts';
import { look, type Facts } from './facts.ts';
import { Failed, Skipped } from './outcome.ts';
import { Place, randomName } from './place.ts';
import { named, owner, sysOf } from './samples.ts';
import type { Result } from './report.ts';
import { Session } from './session.ts';
import type { Target } from './target.ts';

export type RunOptions = {
  /** How long a server may take for one answer. */
  readonly timeoutMs: number;
  readonly onFacts?: (facts: Facts) => void;
  readonly onResult?: (result: Result) => void;
};

/** So many times the longest answer is the most that a check may take. */
const patience = 10;

/** Runs the checks one after the other, each in a directory of its own, and removes all that they made. Throws Failed where the server cannot be checked at all. */
export async function runChecks(checks: readonly Check[], target: Target, options: RunOptions): Promise<Result[]> {
  const name = randomName();
  const { facts, scratch } = await look(target, name, options.timeoutMs);
  options.onFacts?.(facts);
  const results: Result[] = [];
  for (const check of checks) {
    const result = await runCheck(check, facts, scratch, target, options);
    options.onResult?.(result);
    results.push(result);
  }
  await removeScratch(target, facts, name, options.timeoutMs);
  return results;
}

async function runCheck(
  check: Check,
  facts: Facts,
  scratch: Uint8Array,
  target: Target,
  { timeoutMs }: RunOptions,
): Promise<Result> {
  const { id, level, source, title } = check;
  const about = { id, title, source, level };
  let session: Session | undefined;
  let place: Place | undefined;
  try {
    session = await Session.open(target.nfs, owner, timeoutMs);
    const making = { directory: scratch, name: named(id), attributes: { ...nothingSet, mode: 0o777 } };
    const made = await session.ok(procedures.makeDirectory, making);
    const directory =
      made.handle ?? (await session.ok(procedures.lookup, { directory: scratch, name: named(id) })).handle;
    await session.ok(procedures.setAttributes, {
      handle: directory,
      attributes: { ...nothingSet, mode: 0o777 },
      guard: undefined,
    });
    place = new Place(target, facts, session, directory, timeoutMs);
    const note = await bounded(check.run(place), timeoutMs * patience);
    return typeof note === 'string' ? { ...about, result: 'note', detail: note } : { ...about, result: 'pass' };
  } catch (error) {
    if (error instanceof Skipped) return { ...about, result: 'skip', detail: error.message };
    return { ...about, result: 'fail', detail: findingOf(error) };
  } finally {
    place?.close();
    session?.close();
  }
}

/** What a server did wrong; whatever else is thrown is a mistake of the checks. */
function findingOf(error: unknown): string {
  if (error instanceof Failed) return error.message;
  if (error instanceof RejectedCall) return `the call was rejected: ${error.rejection.kind}`;
  if (error instanceof AshlarError) return error.message;
  throw error;
}

async function bounded<T>(work: Promise<T>, mostMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Failed(`there was no end in ${mostMs} ms`)), mostMs);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function removeScratch(target: Target, facts: Facts, name: string, timeoutMs: number): Promise<void> {
  const sys = facts.isRootSquashed ? owner : sysOf(0, 0);
  const session = await Session.open(target.nfs, sys, timeoutMs);
  try {
    await removeTree(session, facts.root, named(name));
  } finally {
    session.close();
  }
}

/** Removes a file, or a directory with all that is in it. What cannot be removed stays: the export is the user's to look at. */
async function removeTree(session: Session, directory: Uint8Array, name: Uint8Array): Promise<void> {
  const { ok } = await session.call(procedures.lookup, { directory, name });
  if (ok === undefined) return;
  if (ok.after?.type !== fileType.directory) {
    await session.call(procedures.remove, { directory, name });
    return;
  }
  const attributes = { ...nothingSet, mode: 0o777 };
  await session.call(procedures.setAttributes, { handle: ok.handle, attributes, guard: undefined });
  for (let passes = 0; passes < mostPasses; passes += 1) {
    const args = { directory: ok.handle, cookie: 0n, verifier: Buffer.alloc(8), count: 32_768 };
    const { ok: listed } = await session.call(procedures.readDirectory, args);
    const names = (listed?.entries ?? []).map((entry) => Uint8Array.from(entry.name)).filter(isNoDot);
    if (names.length === 0) break;
    for (const each of names) await removeTree(session, ok.handle, each);
  }
  await session.call(procedures.removeDirectory, { directory, name });
}

const isNoDot = (name: Uint8Array): boolean => !['.', '..'].includes(Buffer.from(name).toString('latin1'));

/** Of a directory that is removed: each takes away what fits a reply. */
const mostPasses = 1000;
