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

/** Makes the pool's database anew where it is damaged and has a log. Gives what was wrong with it. */
export async function mendDatabase(data: string): Promise<string | undefined> {
  return await makeDatabaseAnew(createRealHost(), poolPath(resolve(data)));
}

/**
 * Looks into the pool of a server that does not run, for as long as `use` takes; `isAlone`: and may mend it. A database that would end this
 * process is refused.
 */
export async function withInspection<T>(
  data: string,
  use: (inspection: PoolInspection, database: DatabaseLook) => Promise<T>,
  isAlone = false,
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
  const inspection = PoolInspection.open(host, path, { isAlone });
  try {
    return await use(inspection, database);
  } finally {
    await inspection.close();
  }
}
