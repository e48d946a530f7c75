import { formatSize } from '@ashlar/core';
import { Presets, SingleBar } from 'cli-progress';
import { checkPool, type PoolCheck, type Progress } from '../check/check-pool.ts';
import { withPool } from '../check/open-offline.ts';
import { exitStatus } from '../failure.ts';
import { show } from '../output.ts';

export type CheckOptions = { readonly data?: string; readonly json?: boolean };

function describe({ ok, path, state, reason, volumes, strayStores }: PoolCheck): string {
  const lines = [`pool ${path}: ${reason === undefined ? state : `${state}: ${reason}`}`];
  for (const { name, dataBytes, damage } of volumes) {
    lines.push(
      `volume ${name}: ${formatSize(dataBytes)} read, ${damage.length === 0 ? 'no damage' : `${damage.length} damaged run${damage.length === 1 ? '' : 's'}`}`,
    );
    for (const { offset, length } of damage)
      lines.push(`  ${length} bytes at ${offset} cannot be read as they were written`);
  }
  if (strayStores.length > 0) lines.push(`${strayStores.length} half-made volumes: the next start removes them`);
  lines.push(ok ? 'everything is in order' : 'damage was found: restore what is named above from a copy');
  return lines.join('\n');
}

/** A bar on a terminal, nothing elsewhere. */
function withBar<T>(use: (progress: Progress) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return use(() => undefined);
  const bar = new SingleBar(
    { format: '{bar} {percentage}%  {done} read', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(1, 0, { done: '' });
  return use((doneBytes, totalBytes) => {
    bar.setTotal(Math.max(doneBytes, totalBytes));
    bar.update(doneBytes, { done: formatSize(doneBytes) });
  }).finally(() => bar.stop());
}

/** Gives the status that the process should end with. */
export async function check(options: CheckOptions): Promise<number> {
  const data = options.data ?? process.env['ASHLAR_DATA'] ?? 'ashlar-data';
  const found = await withPool(data, (offline) => withBar((progress) => checkPool(offline, progress)));
  show(options.json, found, describe);
  return found.ok ? exitStatus.done : exitStatus.failed;
}
