import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AshlarError, systemStore, type ObjectStore, type Pool } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { openPool, PoolInspection } from '@ashlar/store';

export type Offline = { readonly path: string; readonly pool: Pool; readonly records: ObjectStore };

/** Where the pool of a data directory is: in it, or it itself. */
function poolPath(data: string): string {
  for (const path of [join(data, 'pool'), data]) if (existsSync(join(path, 'ashlar.pool'))) return path;
  throw new AshlarError('not-found', `there is no pool in ${data}: name the data directory of a server`, {
    path: data,
  });
}

/** Opens the pool of a server that does not run, recovering what its journal holds, for as long as `use` takes. */
export async function withPool<T>(data: string, use: (offline: Offline) => Promise<T>): Promise<T> {
  const path = poolPath(resolve(data));
  const pool = await openPool(createRealHost(), path).catch((error: unknown) => {
    if (!(error instanceof AshlarError) || error.kind !== 'busy') throw error;
    throw new AshlarError('busy', `a server uses the pool in ${path}: stop it first`, { path }, error);
  });
  try {
    return await use({ path, pool, records: await pool.openStore(systemStore) });
  } finally {
    await pool.close();
  }
}

/** Looks into the pool of a server that does not run, for as long as `use` takes, and changes nothing in it. */
export async function withInspection<T>(data: string, use: (inspection: PoolInspection) => Promise<T>): Promise<T> {
  const inspection = PoolInspection.open(createRealHost(), poolPath(resolve(data)));
  try {
    return await use(inspection);
  } finally {
    await inspection.close();
  }
}
