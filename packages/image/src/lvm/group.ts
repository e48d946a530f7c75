import { sectorBytes } from './label.ts';
import type { Section } from './text/tree.ts';

/** Where extents of a segment lie: on a physical volume, by its key in the text, or in another logical volume. */
export type Area = { readonly on: 'pv' | 'lv'; readonly name: string; readonly extent: number };

type SegmentPlace = {
  readonly startExtent: number;
  readonly extentCount: number;
  /** As LVM names it: `linear` and `striped` are both "striped" in a text. */
  readonly type: string;
  readonly tags: readonly string[];
};

export type StripedSegment = SegmentPlace & {
  readonly kind: 'striped';
  /** 0 where there is one stripe. */
  readonly stripeBytes: number;
  readonly areas: readonly Area[];
};

export type MirrorSegment = SegmentPlace & {
  readonly kind: 'mirror';
  readonly regionBytes: number;
  readonly log: string | undefined;
  readonly areas: readonly Area[];
};

export type RaidSegment = SegmentPlace & {
  readonly kind: 'raid';
  readonly regionBytes: number;
  readonly stripeBytes: number;
  /** Names of logical volumes, of one copy or stripe each. */
  readonly images: readonly { readonly metadata: string | undefined; readonly data: string }[];
};

export type ThinPoolSegment = SegmentPlace & {
  readonly kind: 'thin-pool';
  readonly metadata: string;
  readonly data: string;
  readonly chunkBytes: number;
  readonly transactionId: number;
  readonly discards: string;
  readonly zeroesNew: boolean;
};

export type ThinSegment = SegmentPlace & {
  readonly kind: 'thin';
  readonly pool: string;
  readonly deviceId: number;
  readonly transactionId: number;
  readonly origin: string | undefined;
  /** Outside its pool. */
  readonly externalOrigin: string | undefined;
};

export type SnapshotSegment = SegmentPlace & {
  readonly kind: 'snapshot';
  readonly chunkBytes: number;
  readonly origin: string;
  readonly store: string;
  readonly isMerging: boolean;
};

/** Of types that have nothing, and of those that are not known. */
export type OtherSegment = SegmentPlace & { readonly kind: 'zero' | 'error' | 'unknown' };

export type Segment =
  StripedSegment | MirrorSegment | RaidSegment | ThinPoolSegment | ThinSegment | SnapshotSegment | OtherSegment;

export type LogicalVolume = {
  readonly name: string;
  readonly id: string;
  readonly status: readonly string[];
  /** LVM shows it: it is there to be used, and no part of another one. */
  readonly isVisible: boolean;
  readonly flags: readonly string[];
  readonly tags: readonly string[];
  /** Seconds since 1970; undefined where it is not known. */
  readonly created: number | undefined;
  readonly creationHost: string | undefined;
  readonly allocation: string;
  /** Sectors, or as LVM chooses. */
  readonly readAhead: number | 'auto' | 'none';
  readonly extentCount: number;
  /** One behind the other, in the order of what they hold. */
  readonly segments: readonly Segment[];
};

export type PhysicalVolume = {
  /** Its name in the text: pv0. */
  readonly key: string;
  readonly id: string;
  /** Where it was when the text was written. */
  readonly deviceHint: string;
  readonly status: readonly string[];
  readonly tags: readonly string[];
  readonly deviceBytes: number;
  /** Where its first extent begins. */
  readonly startBytes: number;
  readonly extentCount: number;
};

export type VolumeGroup = {
  readonly name: string;
  readonly id: string;
  readonly seqno: number;
  readonly status: readonly string[];
  readonly tags: readonly string[];
  readonly extentBytes: number;
  readonly maxLogicalVolumes: number;
  readonly maxPhysicalVolumes: number;
  readonly metadataCopies: number;
  readonly systemId: string;
  readonly lockType: string;
  readonly allocation: string;
  readonly physicalVolumes: readonly PhysicalVolume[];
  readonly logicalVolumes: readonly LogicalVolume[];
  /** What it was read from. */
  readonly tree: Section;
  /** Sentences on what in it is not understood: it is not written then. */
  readonly notUnderstood: readonly string[];
};

/** LVM keeps a snapshot in a logical volume of its own, which it does not show. */
export const isSnapshotRecord = ({ segments }: LogicalVolume): boolean =>
  segments.some(({ kind }) => kind === 'snapshot');

/** Names of the logical volumes that a segment is made of. */
export function namesUsedBy(segment: Segment): string[] {
  const defined = (...names: readonly (string | undefined)[]): string[] => names.filter((name) => name !== undefined);
  switch (segment.kind) {
    case 'striped':
      return segment.areas.filter(({ on }) => on === 'lv').map(({ name }) => name);
    case 'mirror':
      return [...segment.areas.filter(({ on }) => on === 'lv').map(({ name }) => name), ...defined(segment.log)];
    case 'raid':
      return segment.images.flatMap(({ data, metadata }) => defined(metadata, data));
    case 'thin-pool':
      return [segment.metadata, segment.data];
    case 'thin':
      return defined(segment.pool, segment.externalOrigin);
    case 'snapshot':
      return [segment.origin, segment.store];
    default:
      return [];
  }
}

export const bytesOfSectors = (sectors: number): number => sectors * sectorBytes;

/** Extents on a physical volume that are in use, and by what. */
export type AllocatedRun = {
  readonly start: number;
  readonly count: number;
  readonly volume: LogicalVolume;
  readonly segment: Segment;
};

/** Of each physical volume, by key, what of it is in use, sorted. */
export function allocatedRuns(group: VolumeGroup): Map<string, AllocatedRun[]> {
  const runs = new Map<string, AllocatedRun[]>(group.physicalVolumes.map(({ key }) => [key, []]));
  for (const volume of group.logicalVolumes) {
    for (const segment of volume.segments) {
      if (segment.kind !== 'striped' && segment.kind !== 'mirror') continue;
      const count = segment.kind === 'striped' ? segment.extentCount / segment.areas.length : segment.extentCount;
      for (const { extent, name, on } of segment.areas)
        if (on === 'pv') runs.get(name)?.push({ start: extent, count, volume, segment });
    }
  }
  for (const found of runs.values()) found.sort((one, other) => one.start - other.start);
  return runs;
}

/** Runs of extents that are free on a physical volume, in their order. */
export function freeRuns({ extentCount }: PhysicalVolume, allocated: readonly AllocatedRun[]) {
  const free: { start: number; count: number }[] = [];
  let at = 0;
  for (const { count, start } of allocated) {
    if (start > at) free.push({ start: at, count: start - at });
    at = start + count;
  }
  if (at < extentCount) free.push({ start: at, count: extentCount - at });
  return free;
}
