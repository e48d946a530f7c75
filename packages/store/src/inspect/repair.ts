import type { RecordChange } from '@ashlar/core';
import { aroundRecords } from '../records/kept-records.ts';
import { checkFiles, type CheckOptions, type PoolReport } from './check.ts';
import type { Problem } from './findings.ts';
import type { JournalView } from './journal-view.ts';
import { withRecord, type PoolFiles } from './pool-files.ts';

/** By the database and its log, as everything that is committed. */
async function commitKept(pool: PoolFiles, changes: readonly RecordChange[]): Promise<void> {
  const { host, path, records, superblock } = pool;
  const kept = await aroundRecords({ host, path, poolId: superblock.poolId, dumpAfterBytes: Infinity }, records);
  try {
    await kept.commit(changes);
  } finally {
    kept.closeLog();
  }
}

export type RepairReport = {
  readonly before: PoolReport;
  /** Of the problems that were listed before, those that are not there any more. */
  readonly mended: readonly Problem[];
  /** What is left: found by looking at everything again but the data, of which nothing was changed. The same as `before` where nothing was. */
  readonly after: PoolReport;
};

/**
 * Checks a pool, mends what its maps and journal leave no doubt about, and checks it again. Only records of the database are changed, all of them
 * by one durable commit: a repair that is cut off was done or never began. Whoever calls it has the pool to himself.
 */
export async function repairFiles(pool: PoolFiles, journal: JournalView, options: CheckOptions): Promise<RepairReport> {
  const { report: before, changes } = await checkFiles(pool, journal, options);
  if (changes.length === 0) return { before, mended: [], after: before };
  await commitKept(pool, changes);
  const { read, damage, snapshotDamage } = before;
  const { report: after } = await checkFiles(withRecord(pool), journal, {
    ...options,
    read: { read, damage, snapshotDamage },
  });
  const left = new Set(after.problems.map(({ sentence }) => sentence));
  return { before, mended: before.problems.filter(({ sentence }) => !left.has(sentence)), after };
}
