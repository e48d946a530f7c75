import type { ScrubReport } from '@ashlar/core';
import type { Catalogue } from '@ashlar/volume';
import type * as z from 'zod';
import type { scrubSchema } from './admin/schemas.ts';

export type ScrubView = z.output<typeof scrubSchema>;

const timeOf = (
  name: 'started' | 'ended' | 'completed',
  ms: number | undefined,
): { readonly [time: string]: string } => (ms === undefined ? {} : { [name]: new Date(ms).toISOString() });

/** A scrub's report without the places of what it found. */
export function lastScrub(report: ScrubReport): Omit<ScrubView, 'findings'> {
  const { state, reason, startedMs, endedMs, completedMs, bytesPerSecond, records } = report;
  const { interruptions, doneBytes, totalBytes, damagedBytes, damagedPages } = report;
  return {
    state,
    ...(reason === undefined ? {} : { reason }),
    ...timeOf('started', startedMs),
    ...timeOf('ended', endedMs),
    ...timeOf('completed', completedMs),
    interruptions,
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    doneBytes,
    totalBytes,
    damagedBytes,
    damagedPages,
    ...(records === undefined ? {} : { records: withoutNothing(records) }),
  };
}

function withoutNothing({ reason, ...walk }: NonNullable<ScrubReport['records']>): NonNullable<ScrubView['records']> {
  return { ...walk, ...(reason === undefined ? {} : { reason }) };
}

/** A scrub's report with the names that users know. */
export function scrubView(report: ScrubReport, catalogue: Pick<Catalogue, 'volumes' | 'snapshots'>): ScrubView {
  const volumes = new Map(catalogue.volumes().map((volume) => [volume.storeId, volume]));
  const findings = report.findings.map(({ store, object, snapshot: id, offset, length }) => {
    const volume = volumes.get(store);
    // The number is that of the newest that has it, which may be deleted: then one before it has it as well.
    const snapshots = volume === undefined || id === undefined ? [] : catalogue.snapshots.of(volume);
    const snapshot = snapshots.findLast(({ snapshotId }) => snapshotId <= (id ?? 0))?.name;
    return {
      ...(volume === undefined ? {} : { volume: volume.name }),
      ...(snapshot === undefined ? {} : { snapshot }),
      objectId: object,
      offset,
      length,
    };
  });
  return { ...lastScrub(report), findings };
}
