import { AshlarError, assert, type RecordChange, type RecordStore, type RecordsWalk } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { BrokenRule } from '../broken-rule.ts';
import { commitKey, getPacked, packedChange } from './keys.ts';
import { RecordLog } from './record-log.ts';
import { contentsOf, readLogFiles, type LogFile } from './record-log-reader.ts';
import { RecordOverlay } from './record-overlay.ts';
import { scanUnder, type Visit } from './scan.ts';
import { walkRecords } from './walk.ts';
import { Seen } from './seen.ts';
import type { RecordsSource } from './records-source.ts';

type Committed = { readonly number: number };

/** Where the log of a pool's records is. */
export function recordLogIn(path: string): string {
  return `${path}/record-log`;
}

/**
 * A pool's database with its log: a commit has settled when both have it, and until then nobody sees any of it. One commit comes behind the
 * other.
 */
export class KeptRecords implements Omit<RecordStore, 'copyTo'> {
  readonly #records: RecordStore;
  readonly #log: RecordLog;
  readonly #seen: Seen;
  #number: number;
  #hasRoom = (): boolean => true;
  /** What the commit under way changes, as it was before, by key. */
  #before: RecordOverlay | undefined;

  constructor(records: RecordStore, log: RecordLog, seen: Seen, number: number) {
    this.#records = records;
    this.#seen = seen;
    this.#log = log;
    this.#number = number;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const before = this.#before?.get(key);
    return before === undefined ? this.#records.get(key) : (before ?? undefined);
  }

  scan(from: Uint8Array, to: Uint8Array, visit: Visit): void {
    if (this.#before === undefined) this.#records.scan(from, to, visit);
    // Whether or not the database shows the commit.
    else scanUnder(this.#before.range(from, to), (each) => this.#records.scan(from, to, each), visit);
  }

  /** `settled`: follows what is in memory of it, in the same turn in which the changes are seen. */
  async commit(changes: readonly RecordChange[], settled: () => void = () => undefined): Promise<void> {
    assert(this.#before === undefined, 'one commit comes behind the other');
    const number = this.#number + 1;
    const all = [...changes, packedChange(commitKey, { number } satisfies Committed)];
    const before = new RecordOverlay();
    before.apply(all.map(({ key }) => ({ key, value: this.#records.get(key) ?? null })));
    this.#before = before;
    try {
      await this.#records.commit(all);
      this.#number = number;
      if (this.#log.isCurrent || this.#hasRoom()) await this.#log.commit(number, all);
    } finally {
      this.#before = undefined;
    }
    settled();
  }

  /** Without a log one begins with a commit that there is room for. */
  logsWhere(hasRoom: () => boolean): void {
    this.#hasRoom = hasRoom;
  }

  /** Room that is short is promised to others. */
  async dropLog(): Promise<void> {
    await this.#log.drop();
  }

  /** The log has everything, so that the database can be made anew. */
  get isKept(): boolean {
    return this.#log.isCurrent;
  }

  /** Looks at every record, in a copy at that place where the library could not bear what it met. Ended: nothing. */
  look(path: string, ended: AbortSignal): Promise<RecordsWalk | undefined> {
    return walkRecords(this.#records, path, ended);
  }

  /** Reads the log: false where it is not as it was written; it begins anew then. */
  verifyLog(): Promise<boolean> {
    return this.#log.verify();
  }

  /** Nothing is wrong with its records: a process that is killed in this boot leaves none that must be looked at before they are used. */
  async seen(): Promise<void> {
    await this.#seen.put();
  }

  /** Something is wrong with them: the next start looks before it uses them. */
  doubted(): void {
    this.#seen.take();
  }

  /** Looked at while they are used: where a copy can be. */
  get canBeCopied(): boolean {
    return this.#records.copyTo !== undefined;
  }

  /** Nothing came behind the last commit: the next start need not look at the database. */
  async endCleanly(): Promise<void> {
    await this.#log.closed(this.#number);
  }

  /** Of a database that somebody else has open. */
  closeLog(): void {
    this.#log.close();
  }

  async close(): Promise<void> {
    this.#log.close();
    await this.#records.close();
  }
}

type AroundOptions = {
  readonly host: Host;
  /** Of the pool. */
  readonly path: string;
  readonly poolId: string;
  /** As `RecordLogOptions`. */
  readonly dumpAfterBytes: number;
  readonly broken?: BrokenRule | undefined;
};

export type KeptOptions = AroundOptions & { readonly source: RecordsSource };

export type OpenedRecords = {
  readonly records: KeptRecords;
  /** What was wrong with the database, where it was made anew. */
  readonly damage: string | undefined;
  /** The pool was not closed, and nobody has looked at its records since. */
  readonly isSuspect: boolean;
};

/** Opens the database of a pool that is not there yet. */
export async function newKeptRecords(options: KeptOptions): Promise<OpenedRecords> {
  return { records: await aroundRecords(options, options.source.open()), damage: undefined, isSuspect: false };
}

/**
 * Opens the database of a pool. Behind a stop that was not clean, unless the process alone was killed, or where there is doubt (`looks`), every
 * record of it is looked at first; one that is damaged, gone, or older than its log is made anew of that. Fails with `corrupt` where it cannot be.
 */
export async function openKeptRecords(options: KeptOptions, looks: boolean): Promise<OpenedRecords> {
  const { host, path, poolId, source } = options;
  const files = await logFilesOf(options);
  const contents = contentsOf(host, files, poolId);
  const wasClosed = files.at(-1)?.isClosed ?? false;
  const wasSeen = new Seen(host, path).take();
  const isThere = source.isThere();
  const isSuspect = !looks && !wasClosed && wasSeen;
  const found = isThere && (looks || !(wasClosed || wasSeen)) ? await source.look() : undefined;
  let damage = isThere && (found?.damaged ?? 0) === 0 ? undefined : damageOf(found);
  if (damage === undefined) {
    const records = source.open();
    const number = numberIn(records);
    if (contents === undefined || number >= contents.number) {
      return { records: await withLog(options, files, records), damage, isSuspect };
    }
    // The log has a commit when the database has had it: LMDB takes the one before where it cannot read the root of the last.
    damage = `the pool's database is that of commit ${number}, and commit ${contents.number} was durable`;
    await records.close();
  } else if (contents === undefined) {
    // Of single values that are damaged the rest may still be read.
    if (isThere && found?.reason === undefined) {
      return { records: await withLog(options, files, source.open()), damage: undefined, isSuspect: false };
    }
    throw new AshlarError('corrupt', `${damage}, and there is no log that it could be made anew of`, { path });
  }
  await source.replace(contents.changes());
  return { records: await withLog(options, files, source.open()), damage, isSuspect: false };
}

/** Nothing: there is no database. */
export function damageOf(found: RecordsWalk | undefined): string {
  if (found === undefined) return "the pool's database is missing";
  const { records, damaged, reason } = found;
  return reason ?? `${damaged} of ${records} records of the pool's database are damaged`;
}

/** Around a database that is open. */
export async function aroundRecords(options: AroundOptions, records: RecordStore): Promise<KeptRecords> {
  return await withLog(options, await logFilesOf(options), records);
}

async function logFilesOf({ host, path, poolId }: AroundOptions): Promise<LogFile[]> {
  const directory = recordLogIn(path);
  return host.stat(directory) === undefined ? [] : await readLogFiles(host, directory, poolId);
}

/** The log is gone on with where it has every commit. */
async function withLog(
  { broken, host, path, poolId, dumpAfterBytes }: AroundOptions,
  files: readonly LogFile[],
  records: RecordStore,
): Promise<KeptRecords> {
  const directory = recordLogIn(path);
  if (host.stat(directory) === undefined) {
    host.makeDirectory(directory);
    await host.syncDirectory(path);
  }
  const number = numberIn(records);
  const log = await RecordLog.open({ broken, host, directory, poolId, records, dumpAfterBytes }, files, number);
  return new KeptRecords(records, log, new Seen(host, path), number);
}

/** One that is damaged is no log's. */
function numberIn(records: RecordStore): number {
  try {
    return getPacked<Committed>(records, commitKey)?.number ?? 0;
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'corrupt') return 0;
    throw error;
  }
}
