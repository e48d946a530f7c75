import { assert } from '@ashlar/core';
import type { Piece } from './allocate.ts';
import type { LogicalVolume, StripedSegment, VolumeGroup } from './group.ts';
import { sectorBytes } from './label.ts';
import { sectionsIn, withEntries, type Scalar, type Section, type Value } from './text/tree.ts';

/** A physical volume as a group's text has it. */
export type PhysicalEntry = {
  readonly id: string;
  readonly path: string;
  readonly deviceBytes: number;
  readonly startBytes: number;
  readonly extentCount: number;
};

export type LogicalEntry = {
  readonly name: string;
  readonly id: string;
  readonly tags: readonly string[];
  readonly isReadOnly: boolean;
  readonly isContiguous: boolean;
  /** Seconds since 1970. */
  readonly created: number;
  readonly host: string;
  readonly stripeBytes: number;
  readonly pieces: readonly Piece[];
};

/** `tags` where there are any: where LVM has them. */
const tagsOf = (tags: readonly string[]): readonly (readonly [string, Value])[] =>
  tags.length === 0 ? [] : [['tags', tags]];

export function newGroupTree(
  id: string,
  extentBytes: number,
  most: { readonly logicalVolumes: number; readonly physicalVolumes: number },
  tags: readonly string[],
  physical: readonly PhysicalEntry[],
): Section {
  const tree = new Map<string, Value | Section>([
    ['id', id],
    ['seqno', 0],
    ['format', 'lvm2'],
    ['status', ['RESIZEABLE', 'READ', 'WRITE']],
    ['flags', []],
    ...tagsOf(tags),
    ['extent_size', extentBytes / sectorBytes],
    ['max_lv', most.logicalVolumes],
    ['max_pv', most.physicalVolumes],
    ['metadata_copies', 0],
    ['physical_volumes', new Map()],
  ]);
  return withPhysical(tree, physical);
}

/** The section of that name, empty where there is none. */
function sectionOf(tree: Section, name: string): Section {
  const found = sectionsIn(tree).find(([each]) => each === name);
  return found === undefined ? new Map() : found[1];
}

/** The group with more physical volumes. */
export function withPhysical(tree: Section, added: readonly PhysicalEntry[]): Section {
  const volumes = new Map(sectionOf(tree, 'physical_volumes'));
  let number = 0;
  for (const { deviceBytes, extentCount, id, path, startBytes } of added) {
    while (volumes.has(`pv${number}`)) number += 1;
    const entry = new Map<string, Value | Section>([
      ['id', id],
      ['device', path],
      ['status', ['ALLOCATABLE']],
      ['flags', []],
      ['dev_size', Math.floor(deviceBytes / sectorBytes)],
      ['pe_start', startBytes / sectorBytes],
      ['pe_count', extentCount],
    ]);
    volumes.set(`pv${number}`, entry);
  }
  return withEntries(tree, { physical_volumes: volumes });
}

/** LVM writes no section where there are no logical volumes. */
const withLogicalSection = (tree: Section, volumes: Section): Section =>
  withEntries(tree, { logical_volumes: volumes.size === 0 ? undefined : volumes });

export function withLogical(tree: Section, entry: LogicalEntry): Section {
  const { created, host, id, isContiguous, isReadOnly, name, pieces, stripeBytes, tags } = entry;
  const volume = new Map<string, Value | Section>([
    ['id', id],
    ['status', isReadOnly ? ['READ', 'VISIBLE'] : ['READ', 'WRITE', 'VISIBLE']],
    ['flags', []],
    ...tagsOf(tags),
    ['creation_time', created],
    ['creation_host', host],
    ...(isContiguous ? [['allocation_policy', 'contiguous'] as const] : []),
  ]);
  const volumes = new Map(sectionOf(tree, 'logical_volumes'));
  assert(!volumes.has(name), 'a name is used once');
  volumes.set(name, withSegments(volume, 0, pieces, stripeBytes));
  return withLogicalSection(tree, volumes);
}

/** A logical volume with more segments behind the `extents` that it has. */
function withSegments(volume: Section, extents: number, pieces: readonly Piece[], stripeBytes: number): Section {
  const segments = new Map<string, Section>();
  let at = extents;
  const before = sectionsIn(volume).length;
  for (const [index, { extentsEach, places }] of pieces.entries()) {
    const count = extentsEach * places.length;
    segments.set(
      `segment${before + index + 1}`,
      new Map<string, Value | Section>([
        ['start_extent', at],
        ['extent_count', count],
        ['type', 'striped'],
        ['stripe_count', places.length],
        ...(places.length > 1 ? [['stripe_size', stripeBytes / sectorBytes] as const] : []),
        ['stripes', places.flatMap(({ key, start }): Scalar[] => [key, start])],
      ]),
    );
    at += count;
  }
  // The number of segments stands before them.
  const head = withEntries(volume, { segment_count: before + pieces.length });
  return new Map([...head, ...segments]);
}

/** The logical volume with more extents: in its last segment where they go on there, else in segments of their own. */
export function withMore(group: VolumeGroup, volume: LogicalVolume, pieces: readonly Piece[]): Section {
  const volumes = new Map(sectionOf(group.tree, 'logical_volumes'));
  let section = sectionOf(group.tree, 'logical_volumes').get(volume.name) as Section;
  const last = volume.segments.at(-1);
  assert(last?.kind === 'striped', 'only what is linear or striped grows');
  let rest = pieces;
  let extents = volume.extentCount;
  const [first] = pieces;
  if (first !== undefined && goesOn(last, first)) {
    const more = first.extentsEach * first.places.length;
    const name = `segment${volume.segments.length}`;
    const longer = withEntries(sectionOf(section, name), { extent_count: last.extentCount + more });
    section = withEntries(section, { [name]: longer });
    extents += more;
    rest = pieces.slice(1);
  }
  volumes.set(volume.name, withSegments(section, extents, rest, last.stripeBytes));
  return withLogicalSection(group.tree, volumes);
}

function goesOn({ areas, extentCount }: StripedSegment, { places }: Piece): boolean {
  if (areas.length !== places.length) return false;
  return areas.every(({ extent, name, on }, at) => {
    const end = extent + extentCount / areas.length;
    return on === 'pv' && name === places[at]!.key && end === places[at]!.start;
  });
}

export function withoutLogical(tree: Section, names: readonly string[]): Section {
  const volumes = new Map(sectionOf(tree, 'logical_volumes'));
  for (const name of names) volumes.delete(name);
  return withLogicalSection(tree, volumes);
}

/** In its place among the others. */
export function withName(tree: Section, from: string, to: string): Section {
  const volumes = [...sectionOf(tree, 'logical_volumes')];
  return withLogicalSection(tree, new Map(volumes.map(([name, volume]) => [name === from ? to : name, volume])));
}

export const withNextNumber = (tree: Section, seqno: number): Section => withEntries(tree, { seqno: seqno + 1 });
