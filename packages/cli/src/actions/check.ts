import { formatSize } from '@ashlar/core';
import { checkPool, type PoolCheck } from '../check/check-pool.ts';
import { withInspection } from '../check/open-offline.ts';
import { exitStatus } from '../failure.ts';
import { show } from '../output.ts';
import { withBar } from '../progress.ts';

export type CheckOptions = { readonly data?: string; readonly json?: boolean };

type Damage = PoolCheck['otherDamage'][number]['damage'];

function damageLines(name: string, read: string, damage: Damage): string[] {
  const found = damage.length === 0 ? 'no damage' : `${damage.length} damaged run${damage.length === 1 ? '' : 's'}`;
  return [
    `${name}: ${read}${found}`,
    ...damage.map(({ offset, length }) => `  ${length} bytes at ${offset} cannot be read as they were written`),
  ];
}

function describe(found: PoolCheck): string {
  const { ok, path, volumes, otherDamage, snapshotDamage, strayStores, problems, problemCount, journalFrames } = found;
  const lines = [`pool ${path}: ${problemCount === 0 ? 'no problems' : `${problemCount} problems`}`];
  lines.push(...problems.map(({ sentence }) => `  ${sentence}`));
  if (problemCount > problems.length) lines.push(`  and ${problemCount - problems.length} more`);
  for (const { name, dataBytes, damage } of volumes) {
    lines.push(...damageLines(`volume ${name}`, `${formatSize(dataBytes)} read, `, damage));
  }
  for (const { object, damage } of otherDamage) lines.push(...damageLines(`object ${object} of no volume`, '', damage));
  for (const { volume, object, snapshot, name, damage } of snapshotDamage) {
    const of = volume === undefined ? `object ${object} of no volume` : `volume ${volume}`;
    lines.push(...damageLines(`${of} in snapshot ${name ?? `number ${snapshot}`}`, '', damage));
  }
  if (strayStores.length > 0) lines.push(`${strayStores.length} half-made volumes: the next start removes them`);
  if (journalFrames > 0) lines.push(`${journalFrames} frames of the journal are good: the next start brings them home`);
  lines.push(ok ? 'everything is in order' : 'damage was found: restore what is named above from a copy');
  return lines.join('\n');
}

/** Gives the status that the process should end with. */
export async function check(options: CheckOptions): Promise<number> {
  const data = options.data ?? process.env['ASHLAR_DATA'] ?? 'ashlar-data';
  const found = await withInspection(data, (inspection) =>
    withBar('read', (progress) => checkPool(inspection, progress)),
  );
  show(options.json, found, describe);
  return found.ok ? exitStatus.done : exitStatus.failed;
}
