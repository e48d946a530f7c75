import type { ScrubReport } from '@ashlar/core';
import type { Catalogue } from '@ashlar/volume';
import type * as z from 'zod';
import type { scrubSchema } from './admin/schemas.ts';

export type ScrubView = z.output<typeof scrubSchema>;

const timeOf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

/** A scrub's report with the names that users know. */
export function scrubView(report: ScrubReport, catalogue: Pick<Catalogue, 'volumes' | 'snapshots'>): ScrubView {
  const { state, startedMs, endedMs, doneBytes, totalBytes, damagedBytes, damagedPages } = report;
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
  const [started, ended] = [timeOf(startedMs), timeOf(endedMs)];
  return {
    state,
    ...(started === undefined ? {} : { started }),
    ...(ended === undefined ? {} : { ended }),
    doneBytes,
    totalBytes,
    damagedBytes,
    damagedPages,
    findings,
  };
}
