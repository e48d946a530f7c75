import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { readIdentity } from '../identity.ts';
import { damageOf, recordLogIn } from '../records/kept-records.ts';
import { contentsOf, readLogFiles, type LogContents } from '../records/record-log-reader.ts';
import { lmdbSource } from '../records/records-source.ts';

/** What a look at the database of a pool that no server has shows, before this process opens it. */
export type DatabaseLook = {
  /** One sentence. */
  readonly damage: string | undefined;
  /** Some of it cannot be read at all: the process that tried was ended by it, or records are missing. */
  readonly isUnreadable: boolean;
  /** The database can be made anew of its log. */
  readonly hasLog: boolean;
};

/** Reads every record of a pool's database, in a process of its own, and its log. Changes nothing. */
export async function lookAtDatabase(host: Host, path: string): Promise<DatabaseLook> {
  const { damage, isUnreadable, contents } = await look(host, path);
  return { damage, isUnreadable, hasLog: contents !== undefined };
}

/**
 * Makes the database of a pool anew of its log where it is damaged, and gives what was wrong with it; the damaged one stays beside it. Nothing
 * where it is whole. Fails with `busy` where somebody has the pool, and with `corrupt` where there is no log and it cannot be read.
 */
export async function makeDatabaseAnew(host: Host, path: string): Promise<string | undefined> {
  const lock = host.open(`${path}/lock`, { create: true });
  try {
    if (!lock.tryLock(true)) {
      throw new AshlarError(
        'busy',
        `a server, or a check, uses the pool in ${path}: it is mended only when nobody else has it`,
        { path },
      );
    }
    const { damage, isUnreadable, contents } = await look(host, path);
    if (damage === undefined) return undefined;
    if (contents !== undefined) {
      await lmdbSource(host, `${path}/records`).replace(contents.changes());
      await host.syncDirectory(path);
      return damage;
    }
    if (!isUnreadable) return undefined;
    throw new AshlarError(
      'corrupt',
      `${damage}, and there is no log that it could be made anew of: restore the pool from a copy`,
      { path },
    );
  } finally {
    lock.close();
  }
}

type Look = {
  readonly damage: string | undefined;
  readonly isUnreadable: boolean;
  readonly contents: LogContents | undefined;
};

async function look(host: Host, path: string): Promise<Look> {
  const { poolId } = readIdentity(host, path);
  const source = lmdbSource(host, `${path}/records`);
  const directory = recordLogIn(path);
  const files = host.stat(directory) === undefined ? [] : await readLogFiles(host, directory, poolId);
  const found = source.isThere() ? await source.look() : undefined;
  return {
    damage: found?.damaged === 0 ? undefined : damageOf(found),
    isUnreadable: found === undefined || found.reason !== undefined,
    contents: contentsOf(host, files, poolId),
  };
}
