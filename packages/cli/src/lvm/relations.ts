import type { LogicalVolume, Segment, SnapshotSegment, VolumeGroup } from '@ashlar/image/lvm';

export type Part = 'image' | 'metadata' | 'log' | 'data' | 'area';

/** How a logical volume stands to the others of its group. */
export type Relation = {
  /** The one that it is a part of, and as what. */
  readonly parent: { readonly volume: LogicalVolume; readonly segment: Segment; readonly part: Part } | undefined;
  /** It is the store of a snapshot. */
  readonly snapshot: SnapshotSegment | undefined;
  /** Names of the snapshots that it is the origin of. */
  readonly thickSnapshots: readonly string[];
  readonly thinSnapshots: readonly string[];
};

export type Relations = {
  of(name: string): Relation;
  volume(name: string): LogicalVolume | undefined;
  /** The group has thin or cache pools. */
  readonly hasPools: boolean;
};

type Mutable = { -readonly [K in keyof Relation]: Relation[K] } & {
  readonly thickSnapshots: string[];
  readonly thinSnapshots: string[];
};

export function relationsOf({ logicalVolumes }: VolumeGroup): Relations {
  const byName = new Map(logicalVolumes.map((volume) => [volume.name, volume]));
  const found = new Map<string, Mutable>();
  const at = (name: string): Mutable => {
    const there = found.get(name);
    if (there !== undefined) return there;
    const made: Mutable = { parent: undefined, snapshot: undefined, thickSnapshots: [], thinSnapshots: [] };
    found.set(name, made);
    return made;
  };
  let hasPools = false;
  for (const volume of logicalVolumes) {
    for (const segment of volume.segments) {
      hasPools ||= segment.kind === 'thin-pool';
      for (const [name, part] of partsOf(segment)) at(name).parent = { volume, segment, part };
      if (segment.kind === 'snapshot') {
        at(segment.store).snapshot = segment;
        at(segment.origin).thickSnapshots.push(segment.store);
      }
      if (segment.kind === 'thin' && segment.origin !== undefined) at(segment.origin).thinSnapshots.push(volume.name);
    }
  }
  return { of: at, volume: (name) => byName.get(name), hasPools };
}

function partsOf(segment: Segment): (readonly [string, Part])[] {
  const images = (names: readonly string[]): (readonly [string, Part])[] => names.map((name) => [name, 'image']);
  switch (segment.kind) {
    case 'mirror':
      return [
        ...images(segment.areas.filter(({ on }) => on === 'lv').map(({ name }) => name)),
        ...(segment.log === undefined ? [] : [[segment.log, 'log'] as const]),
      ];
    case 'raid':
      return segment.images.flatMap(({ data, metadata }) => [
        ...images([data]),
        ...(metadata === undefined ? [] : [[metadata, 'metadata'] as const]),
      ]);
    case 'thin-pool':
      return [
        [segment.data, 'data'],
        [segment.metadata, 'metadata'],
      ];
    case 'striped':
      return segment.areas.filter(({ on }) => on === 'lv').map(({ name }) => [name, 'area']);
    default:
      return [];
  }
}
