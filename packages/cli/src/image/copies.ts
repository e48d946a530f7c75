import { realpathSync } from 'node:fs';
import { AshlarError } from '@ashlar/core';
import { fileOf } from '@ashlar/disk';
import type { MapRun } from '@ashlar/image';
import type { OpenSource } from './disks.ts';

/** Throws `invalid` where a copy would go to what it is made of, which would be gone before it is read. */
export function refuseItself(sources: readonly OpenSource[], name: string): void {
  const target = fileOf(name);
  if (target === undefined) return;
  const path = real(target.path);
  for (const { path: read } of sources.flatMap(({ chain }) => chain?.layers ?? [])) {
    if (real(read) === path)
      throw new AshlarError('invalid', `'${name}' is what would be copied, or backs it`, { path });
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It is not there yet.
    return path;
  }
}

/** What a copy has that is backed by nothing. */
export const flattened = ({ data, zero }: MapRun): 'data' | 'zero' => (data && !zero ? 'data' : 'zero');

/** Over a backing file that has what backs the source: only what the source has itself. */
export const overBacking = (run: MapRun): 'data' | 'zero' | 'skip' =>
  run.depth > 0 || (!run.present && !run.zero) ? 'skip' : flattened(run);
