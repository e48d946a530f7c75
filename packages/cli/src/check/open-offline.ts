import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { lookAtDatabase, makeDatabaseAnew, PoolInspection, type DatabaseLook } from '@ashlar/store';

/** Where the pool of a data directory is: in it, or it itself. */
function poolPath(data: string): string {
  for (const path of [join(data, 'pool'), data]) if (existsSync(join(path, 'ashlar.pool'))) return path;
  throw new AshlarError('not-found', `there is no pool in ${data}: name the data directory of a server`, {
    path: data,
  });
}

/**
 * May mend the pool of a server that does not run, for as long as `use` takes: its database first, which is made anew where it is damaged and
 * has a log. `madeAnew`: what was wrong with it then.
 */
export async function withRepair<T>(
  data: string,
  use: (inspection: PoolInspection, madeAnew: string | undefined) => Promise<T>,
): Promise<T> {
  const path = poolPath(resolve(data));
  const host = createRealHost();
  const madeAnew = await makeDatabaseAnew(host, path);
  return await within(PoolInspection.open(host, path, { isAlone: true }), (inspection) => use(inspection, madeAnew));
}

/** Looks into the pool of a server that does not run, for as long as `use` takes. A database that would end this process is refused. */
export async function withInspection<T>(
  data: string,
  use: (inspection: PoolInspection, database: DatabaseLook) => Promise<T>,
): Promise<T> {
  const path = poolPath(resolve(data));
  const host = createRealHost();
  const database = await lookAtDatabase(host, path);
  const { damage, hasLog, isUnreadable } = database;
  if (isUnreadable) {
    const advice = hasLog
      ? "the next start, and 'ashlar check --repair', make it anew of its log"
      : 'there is no log that it could be made anew of: restore the pool from a copy';
    throw new AshlarError('corrupt', `${damage}; ${advice}`, { path });
  }
  return await within(PoolInspection.open(host, path), (inspection) => use(inspection, database));
}

async function within<T>(inspection: PoolInspection, use: (inspection: PoolInspection) => Promise<T>): Promise<T> {
  try {
    return await use(inspection);
  } finally {
    await inspection.close();
  }
}
