import type { FoundGroup, FoundPhysical, LogicalVolume, PhysicalVolume, Scan, Segment } from '@ashlar/image/lvm';
import { isSnapshotRecord } from '@ashlar/image/lvm';
import { relationsOf, type Relations } from './relations.ts';

/** What one line of a report is of. A physical volume of no group has none, and one that is missing has no device. */
export type Row = {
  readonly group?: FoundGroup | undefined;
  readonly relations?: Relations | undefined;
  readonly pv?: PhysicalVolume | undefined;
  readonly physical?: FoundPhysical | undefined;
  readonly lv?: LogicalVolume | undefined;
  readonly segment?: Segment | undefined;
};

export const groupRows = ({ groups }: Scan): Row[] => groups.map((group) => ({ group }));

export function physicalRows({ groups, orphans }: Scan): Row[] {
  const rows: Row[] = groups.flatMap((group) =>
    group.group.physicalVolumes.map((pv) => ({ group, pv, physical: group.found.get(pv.key) })),
  );
  return [...rows, ...orphans.map((physical) => ({ physical }))];
}

const isPool = ({ segments }: LogicalVolume): boolean => segments[0]?.kind === 'thin-pool';

/** In LVM's order: pools before what is in them. What it keeps of snapshots has no line of its own. */
export function logicalRows({ groups }: Scan): Row[] {
  return groups.flatMap((group) => {
    const relations = relationsOf(group.group);
    const volumes = group.group.logicalVolumes.filter((lv) => !isSnapshotRecord(lv));
    const ordered = [...volumes.filter(isPool), ...volumes.filter((lv) => !isPool(lv))];
    return ordered.map((lv) => ({ group, relations, lv, segment: lv.segments[0] }));
  });
}

/** A line for each segment. */
export const segmentRows = (rows: readonly Row[]): Row[] =>
  rows.flatMap((row) => row.lv?.segments.map((segment) => ({ ...row, segment })) ?? []);

/** Where a physical volume is, as LVM names one that is nowhere. */
export const physicalName = ({ physical }: Row): string => physical?.path ?? '[unknown]';
