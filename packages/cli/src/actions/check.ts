import { formatSize } from '@ashlar/core';
import { checkPool, repairPool, type FoundProblem, type PoolCheck, type PoolRepair } from '../check/check-pool.ts';
import { withInspection, withRepair } from '../check/open-offline.ts';
import { exitStatus } from '../failure.ts';
import { show } from '../output.ts';
import { withBar } from '../progress.ts';

export type CheckOptions = { readonly data?: string; readonly json?: boolean; readonly repair?: boolean };

type Damage = PoolCheck['otherDamage'][number]['damage'];

function damageLines(name: string, read: string, damage: Damage): string[] {
  const found = damage.length === 0 ? 'no damage' : `${damage.length} damaged run${damage.length === 1 ? '' : 's'}`;
  return [
    `${name}: ${read}${found}`,
    ...damage.map(({ offset, length }) => `  ${length} bytes at ${offset} cannot be read as they were written`),
  ];
}

function problemLines(problems: readonly FoundProblem[], count: number): string[] {
  const lines = problems.flatMap(({ sentence, advice }) => [`  ${sentence}`, `    ${advice}`]);
  return count > problems.length ? [...lines, `  and ${count - problems.length} more`] : lines;
}

function describe(found: PoolCheck): string {
  const { path, problems, problemCount } = found;
  const lines = [`pool ${path}: ${problemCount === 0 ? 'no problems' : `${problemCount} problems`}`];
  return [...lines, ...problemLines(problems, problemCount), ...contentLines(found), verdictOf(found)].join('\n');
}

function describeRepair(found: PoolRepair): string {
  const { before, madeAnew, mended, path, problems, problemCount } = found;
  const count = before.problemCount === 0 ? 'no problems' : `${before.problemCount} problems`;
  const lines = [`pool ${path}: ${count}, ${mended.length} mended, ${problemCount} left`];
  if (madeAnew !== undefined) lines.push(`  mended: ${madeAnew}; it was made anew of its log`);
  lines.push(...mended.map(({ sentence }) => `  mended: ${sentence}`));
  return [...lines, ...problemLines(problems, problemCount), ...contentLines(found), verdictOf(found)].join('\n');
}

function contentLines({ volumes, otherDamage, snapshotDamage, strayStores, journalFrames }: PoolCheck): string[] {
  const lines: string[] = [];
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
  return lines;
}

function verdictOf({ ok, problemCount, mendableCount, volumes, otherDamage, snapshotDamage }: PoolCheck): string {
  if (ok) return 'everything is in order';
  const isDataWhole =
    otherDamage.length + snapshotDamage.length === 0 && volumes.every(({ damage }) => damage.length === 0);
  if (isDataWhole && mendableCount === problemCount)
    return "no data is damaged: 'ashlar check --repair' mends the rest";
  return 'damage was found: restore what is named above from a copy';
}

/** Gives the status that the process should end with. */
export async function check({ data: from, json, repair = false }: CheckOptions): Promise<number> {
  const data = from ?? process.env['ASHLAR_DATA'] ?? 'ashlar-data';
  if (repair) {
    const found = await withRepair(data, async (inspection, madeAnew): Promise<PoolRepair> => {
      const repaired = await withBar('read', (progress) => repairPool(inspection, progress));
      return madeAnew === undefined ? repaired : { ...repaired, madeAnew };
    });
    show(json, found, describeRepair);
    return found.ok ? exitStatus.done : exitStatus.failed;
  }
  const found = await withInspection(data, (inspection, { hasLog }) =>
    withBar('read', (progress) => checkPool(inspection, progress, hasLog)),
  );
  show(json, found, describe);
  return found.ok ? exitStatus.done : exitStatus.failed;
}
