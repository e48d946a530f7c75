import { allocatedRuns, freeRuns, type FoundGroup } from '@ashlar/image/lvm';
import { areasOf } from './area-facts.ts';
import { freeExtents, totalExtents, visibleCount } from './group-fields.ts';
import { creationTime } from './logical-fields.ts';
import { extentBytesOf, usedExtents } from './physical-fields.ts';
import { physicalName, type Row } from './rows.ts';
import { segmentLines } from './segment-lines.ts';
import { sizeText, type Units } from './units.ts';

export type DisplaySettings = {
  readonly units: Units;
  /** What lies where, as well. */
  readonly maps: boolean;
};

type Size = (bytes: number) => string;

const sizes =
  (units: Units): Size =>
  (bytes) =>
    sizeText(bytes, units, 'long');

/** Names and values as LVM's displays align them. */
const facts = (width: number, pairs: readonly (readonly [string, string | number])[]): string[] =>
  pairs.map(([name, value]) => `${name.padEnd(width)} ${value}`);

/** Lines as LVM prints them. */
export const indented = (lines: readonly string[]): string => lines.map((line) => `  ${line}`).join('\n');

export function groupLines(row: FoundGroup, units: Units): string[] {
  const { found, group } = row;
  const size = sizes(units);
  const { extentBytes, status } = group;
  const total = totalExtents(group);
  const free = freeExtents(group);
  const of = (extents: number): string => `${extents} / ${size(extents * extentBytes)}`;
  const access = status.includes('WRITE') ? 'read/write' : 'read';
  return [
    '--- Volume group ---',
    ...facts(21, [
      ['VG Name', group.name],
      ['System ID', group.systemId],
      ['Format', 'lvm2'],
      ['Metadata Areas', areasOf(row).length],
      ['Metadata Sequence No', group.seqno],
      ['VG Access', access],
      [
        'VG Status',
        `${status.includes('EXPORTED') ? 'exported/' : ''}${status.includes('RESIZEABLE') ? '' : 'NOT '}resizable`,
      ],
      ['MAX LV', group.maxLogicalVolumes],
      ['Cur LV', visibleCount(group)],
      ['Open LV', 0],
      ['Max PV', group.maxPhysicalVolumes],
      ['Cur PV', group.physicalVolumes.length],
      ['Act PV', found.size],
      ['VG Size', size(total * extentBytes)],
      ['PE Size', size(extentBytes)],
      ['Total PE', total],
      ['Alloc PE / Size', of(total - free)],
      ['Free  PE / Size', of(free)],
      ['VG UUID', group.id],
    ]),
    ' ',
  ];
}

/** `vgdisplay -s`. */
export function groupLine({ group }: FoundGroup, units: Units): string {
  const size = sizes(units);
  const total = totalExtents(group);
  const free = freeExtents(group);
  const [all, used, left] = [total, total - free, free].map((extents) => size(extents * group.extentBytes));
  return `"${group.name}" ${all} [${used} used / ${left} free]`;
}

export function physicalLines(row: Row, { maps, units }: DisplaySettings): string[] {
  const size = sizes(units);
  const { group, physical, pv } = row;
  if (group === undefined || pv === undefined) return [...newPhysicalLines(row, size), ...(maps ? [' '] : [])];
  const extentBytes = extentBytesOf(row);
  const used = usedExtents(row);
  const free = pv.extentCount - used;
  const unusable = size(pv.deviceBytes - pv.extentCount * extentBytes);
  const allocatable = pv.status.includes('ALLOCATABLE') ? (free === 0 ? 'yes (but full)' : 'yes ') : 'NO';
  return [
    '--- Physical volume ---',
    ...facts(21, [
      ['PV Name', physicalName(row)],
      ['VG Name', `${group.group.name}${group.group.status.includes('EXPORTED') ? ' (exported)' : ''}`],
      ['PV Size', `${size(pv.deviceBytes || (physical?.sizeBytes ?? 0))} / not usable ${unusable}`],
      ['Allocatable', allocatable],
      ['PE Size', size(extentBytes)],
      ['Total PE', pv.extentCount],
      ['Free PE', free],
      ['Allocated PE', used],
      ['PV UUID', pv.id],
    ]),
    ' ',
    ...(maps ? physicalMap(row) : []),
  ];
}

function newPhysicalLines({ physical }: Row, size: Size): string[] {
  if (physical === undefined) return [];
  const all = size(physical.label.deviceBytes);
  return [
    `"${physical.path}" is a new physical volume of "${all}"`,
    '--- NEW Physical volume ---',
    ...facts(21, [
      ['PV Name', physical.path],
      ['VG Name', ''],
      ['PV Size', all],
      ['Allocatable', 'NO'],
      ['PE Size', size(0)],
      ['Total PE', 0],
      ['Free PE', 0],
      ['Allocated PE', 0],
      ['PV UUID', physical.label.id],
    ]),
    ' ',
  ];
}

/** `pvdisplay -s`. */
export function physicalLine(row: Row, units: Units): string {
  const free =
    row.pv === undefined
      ? (row.physical?.label.deviceBytes ?? 0)
      : (row.pv.extentCount - usedExtents(row)) * extentBytesOf(row);
  return `Device "${physicalName(row)}" has a capacity of ${sizes(units)(free)}`;
}

function physicalMap({ group, pv }: Row): string[] {
  if (group === undefined || pv === undefined) return [];
  const allocated = allocatedRuns(group.group).get(pv.key) ?? [];
  const free = freeRuns(pv, allocated).map((run) => ({ ...run, volume: undefined, segment: undefined }));
  const runs = [...allocated, ...free].sort((one, other) => one.start - other.start);
  return [
    '--- Physical Segments ---',
    ...runs.flatMap(({ count, segment, start, volume }) => [
      `Physical extent ${start} to ${start + count - 1}:`,
      ...(volume === undefined
        ? ['  FREE']
        : [
            `  Logical volume\t/dev/${group.group.name}/${volume.name}`,
            `  Logical extents\t${segment.startExtent} to ${segment.startExtent + segment.extentCount - 1}`,
          ]),
    ]),
    ' ',
  ];
}

type Facts = readonly (readonly [string, string | number])[];

export function logicalLines(row: Row, { maps, units }: DisplaySettings): string[] {
  const { group, lv, relations } = row;
  if (group === undefined || lv === undefined || relations === undefined) return [];
  const size = sizes(units);
  const { extentBytes, name: groupName } = group.group;
  const { snapshot, thickSnapshots } = relations.of(lv.name);
  const [first] = lv.segments;
  const shownExtents = snapshot === undefined ? lv.extentCount : (relations.volume(snapshot.origin)?.extentCount ?? 0);
  const isPool = first?.kind === 'thin-pool';
  const path: Facts = isPool ? [] : [['LV Path', `/dev/${groupName}/${lv.name}`]];
  const names: Facts = lv.isVisible ? [...path, ['LV Name', lv.name]] : [['Internal LV Name', lv.name]];
  const copies = first?.kind === 'mirror' ? first.areas.length : first?.kind === 'raid' ? first.images.length : 0;
  const table: Facts =
    snapshot === undefined
      ? []
      : [
          ['COW-table size', size(lv.extentCount * extentBytes)],
          ['COW-table LE', lv.extentCount],
          ['Snapshot chunk size', size(snapshot.chunkBytes)],
        ];
  return [
    '--- Logical volume ---',
    ...facts(22, [
      ...names,
      ['VG Name', groupName],
      ['LV UUID', lv.id],
      ['LV Write Access', lv.status.includes('WRITE') ? 'read/write' : 'read only'],
      ['LV Creation host, time', `${lv.creationHost ?? ''}, ${creationTime(row)}`],
    ]),
    ...snapshotLines(row, thickSnapshots),
    ...facts(22, [
      ...poolFacts(row),
      ['LV Status', 'NOT available'],
      ['LV Size', size(shownExtents * extentBytes)],
      ['Current LE', shownExtents],
      ...table,
      ...(copies > 1 ? [['Mirrored volumes', copies] as const] : []),
      ['Segments', lv.segments.length],
      ['Allocation', lv.allocation],
      ['Read ahead sectors', lv.readAhead],
    ]),
    ' ',
    ...(maps
      ? ['--- Segments ---', ...lv.segments.flatMap((segment) => segmentLines({ ...row, segment }, size)), ' ']
      : []),
  ];
}

function snapshotLines({ lv, relations }: Row, snapshots: readonly string[]): string[] {
  const snapshot = relations?.of(lv?.name ?? '').snapshot;
  if (snapshot !== undefined) return facts(22, [['LV snapshot status', `INACTIVE destination for ${snapshot.origin}`]]);
  if (snapshots.length === 0) return [];
  return [
    ...facts(22, [['LV snapshot status', 'source of']]),
    ...snapshots.map((name) => `${' '.repeat(23)}${name} [INACTIVE]`),
  ];
}

function poolFacts({ lv }: Row): Facts {
  const first = lv?.segments[0];
  if (first?.kind === 'thin-pool') {
    return [
      ['LV Pool metadata', first.metadata],
      ['LV Pool data', first.data],
    ];
  }
  if (first?.kind !== 'thin') return [];
  return [
    ['LV Pool name', first.pool],
    ...(first.origin === undefined ? [] : [['LV Thin origin name', first.origin] as const]),
    ...(first.externalOrigin === undefined ? [] : [['LV External origin name', first.externalOrigin] as const]),
  ];
}
