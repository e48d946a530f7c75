import { AshlarError, assert, KiB, MiB, type RecordChange, type RecordStore } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import type { BrokenRule } from '../broken-rule.ts';
import { encodeRecordFrame, type RecordFrame } from '../format/record-frame.ts';
import { contentsOf, logNumbers, logPath, readLogFile, type LogFile } from './record-log-reader.ts';

/** What is dumped with a commit at the least, and with the first one of a log, in bytes of keys and values. */
const dumpEach = 256 * KiB;
const dumpFirst = 16 * MiB;
/** Behind every key of a database. */
const behindAll = Buffer.alloc(1700, 0xff);

export type RecordLogOptions = {
  readonly host: Host;
  /** A directory that is there. */
  readonly directory: string;
  readonly poolId: string;
  /** What is dumped; it has what was committed when that is told. */
  readonly records: Pick<RecordStore, 'scan'>;
  /** So much is committed behind a dump, or as much as the dump is where that is more, before the next one begins. */
  readonly dumpAfterBytes: number;
  readonly broken?: BrokenRule | undefined;
};

/**
 * Everything that a database has, kept a second time with checksums: a dump of it and each commit since, in files that are only appended
 * to. The next dump goes to the next file bit by bit, with the commits of that time; the one before is kept until then and until the next.
 *
 * A commit is told when the database has it and before anybody relies on that. Where it cannot be written nothing of the log may ever be
 * read again: its files are removed, and it begins anew with the next commit.
 */
export class RecordLog {
  readonly #options: RecordLogOptions;
  #file: HostFile | undefined;
  #number = 0;
  /** Files before that are of no use any more once the dump in hand is complete. */
  #first = 0;
  #offset = 0;
  /** The dump goes on behind this key; nothing where it is complete. */
  #dumpFrom: Uint8Array | undefined;
  #dumpBytes = 0;
  #isAppending = false;
  #isDamaged = false;

  private constructor(options: RecordLogOptions) {
    this.#options = options;
  }

  /**
   * Goes on with the files of a log that has every commit up to `number`, the database's last. Else it begins anew with all of the database;
   * until that is durable the old one stays: if it lacks a commit, nobody was told of that.
   */
  static async open(options: RecordLogOptions, files: readonly LogFile[], number: number): Promise<RecordLog> {
    const log = new RecordLog(options);
    const tail = files.at(-1);
    const contents = contentsOf(options.host, files, options.poolId);
    if (tail !== undefined && contents?.number === number && files.every(({ isWhole }) => isWhole))
      await log.#goOn(tail);
    else {
      log.#number = tail?.number ?? 0;
      log.#first = log.#number + 1;
      await log.#append({ kind: 'dump', number, changes: [] }, Infinity);
    }
    return log;
  }

  /** All commits are in it. */
  get isCurrent(): boolean {
    return this.#file !== undefined;
  }

  /** The database has them; durable in the log when it settles, or the log is void. */
  async commit(number: number, changes: readonly RecordChange[]): Promise<void> {
    await this.#append({ kind: 'commit', number, changes }, dumpEach);
  }

  /** Gives its room to others: it is none from now on. */
  async drop(): Promise<void> {
    assert(!this.#isAppending, 'a log is dropped between two commits');
    await this.#void();
  }

  /** The pool was closed behind that commit. */
  async closed(number: number): Promise<void> {
    if (this.#file !== undefined) await this.#append({ kind: 'closed', number, changes: [] }, 0);
  }

  /** Reads what it has now: false where that is not as it was written; it begins anew with the next commit then. */
  async verify(): Promise<boolean> {
    const { host, directory, poolId } = this.#options;
    if (this.#file === undefined) return true;
    const [last, offset] = [this.#number, this.#offset];
    for (const number of logNumbers(host, directory)) {
      // What is written meanwhile comes behind it.
      if (number > last) break;
      const mostBytes = number === last ? offset : Infinity;
      const found = await readLogFile(host, directory, number, poolId, { mostBytes });
      // One that the next dump has taken the place of is not there any more.
      if (found === undefined) continue;
      this.#isDamaged ||= !found.isWhole || (number === last && found.endBytes < offset);
    }
    return !this.#isDamaged;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #goOn({ number, path, endBytes, isComplete, dumpedTo, dumpBytes }: LogFile): Promise<void> {
    const { host, directory } = this.#options;
    const file = host.open(path, {});
    this.#file = file;
    // What is behind was never written to its end.
    if (file.size() > endBytes) file.truncate(endBytes);
    this.#number = number;
    this.#offset = endBytes;
    this.#dumpBytes = dumpBytes;
    this.#dumpFrom = isComplete ? undefined : (dumpedTo ?? new Uint8Array(1));
    try {
      // The process before may have ended before what it wrote was durable, and the name of the file.
      await file.sync();
      await host.syncDirectory(directory);
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      await this.#void();
    }
  }

  async #append(frame: RecordFrame, dumpBytes: number): Promise<void> {
    assert(!this.#isAppending, 'one commit comes behind the other');
    this.#isAppending = true;
    try {
      if (this.#isDamaged) await this.#void();
      await this.#write(frame, this.#file === undefined ? Math.max(dumpBytes, dumpFirst) : dumpBytes);
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      await this.#void();
    } finally {
      this.#isAppending = false;
    }
  }

  async #write(frame: RecordFrame, dumpBytes: number): Promise<void> {
    const { broken, host, directory, poolId, dumpAfterBytes } = this.#options;
    const isLong =
      this.#dumpFrom === undefined && this.#offset - this.#dumpBytes > Math.max(dumpAfterBytes, this.#dumpBytes);
    const isNew = this.#file === undefined || (isLong && frame.kind === 'commit');
    if (isNew) this.#begin();
    const parts = [encodeRecordFrame(poolId, frame)];
    if (this.#dumpFrom !== undefined && frame.kind !== 'closed') {
      const mostBytes = Math.max(dumpBytes, 2 * parts[0]!.length);
      const changes = this.#dump(mostBytes);
      parts.push(encodeRecordFrame(poolId, { kind: 'dump', number: frame.number, changes }));
      if (this.#dumpFrom === undefined)
        parts.push(encodeRecordFrame(poolId, { kind: 'end', number: frame.number, changes: [] }));
    }
    const file = this.#file;
    assert(file !== undefined, 'a log that is written to has a file');
    const bytes = Buffer.concat(parts);
    await file.write(this.#offset, bytes);
    if (broken !== 'record-log-not-synced') await file.sync();
    this.#offset += bytes.length;
    if (isNew) await host.syncDirectory(directory);
    if (this.#dumpFrom !== undefined || this.#dumpBytes > 0) return;
    this.#dumpBytes = this.#offset;
    await this.#forget();
  }

  #begin(): void {
    const { host, directory } = this.#options;
    this.#file?.close();
    this.#file = undefined;
    this.#number += 1;
    this.#file = host.open(logPath(directory, this.#number), { create: true, exclusive: true });
    this.#offset = 0;
    this.#dumpBytes = 0;
    this.#dumpFrom = new Uint8Array(1);
  }

  /** Some of what the database has now: what is committed behind it comes behind it. */
  #dump(mostBytes: number): RecordChange[] {
    const found: RecordChange[] = [];
    let bytes = 0;
    this.#options.records.scan(this.#dumpFrom!, behindAll, (key, value) => {
      found.push({ key: Uint8Array.from(key), value: Uint8Array.from(value) });
      bytes += key.length + value.length;
      return bytes < mostBytes;
    });
    const last = bytes < mostBytes ? undefined : found.at(-1)?.key;
    this.#dumpFrom = last === undefined ? undefined : Uint8Array.of(...last, 0);
    return found;
  }

  /** Two files stay that have a dump that is complete. */
  async #forget(): Promise<void> {
    const { host, directory } = this.#options;
    const old = logNumbers(host, directory).filter((number) => number < Math.max(this.#first, this.#number - 1));
    for (const number of old) host.unlink(logPath(directory, number));
    if (old.length > 0) await host.syncDirectory(directory);
  }

  /** Durable when it settles: what the log has is not what the database has any more. */
  async #void(): Promise<void> {
    const { host, directory } = this.#options;
    this.close();
    this.#isDamaged = false;
    try {
      const numbers = logNumbers(host, directory);
      for (const number of numbers) host.unlink(logPath(directory, number));
      if (numbers.length > 0) await host.syncDirectory(directory);
    } catch (error) {
      // The database has the commit, so it is none that has failed. The next start sees by its number that the log is behind.
      if (!(error instanceof AshlarError)) throw error;
    }
  }
}
