import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { PoolInspection } from '@ashlar/store';

/** Where the pool of a data directory is: in it, or it itself. */
function poolPath(data: string): string {
  for (const path of [join(data, 'pool'), data]) if (existsSync(join(path, 'ashlar.pool'))) return path;
  throw new AshlarError('not-found', `there is no pool in ${data}: name the data directory of a server`, {
    path: data,
  });
}

/** Looks into the pool of a server that does not run, for as long as `use` takes; `isAlone`: and may mend it. */
export async function withInspection<T>(
  data: string,
  use: (inspection: PoolInspection) => Promise<T>,
  isAlone = false,
): Promise<T> {
  const inspection = PoolInspection.open(createRealHost(), poolPath(resolve(data)), { isAlone });
  try {
    return await use(inspection);
  } finally {
    await inspection.close();
  }
}
