import { AshlarError } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { groupNamed, scan, type FoundGroup, type Scan } from '@ashlar/image/lvm';
import { UsageError } from '../failure.ts';
import { groupLine, groupLines, indented, logicalLines, physicalLine, physicalLines } from '../lvm/display.ts';
import type { Field } from '../lvm/field.ts';
import { groupFields } from '../lvm/group-fields.ts';
import { logicalFields, segmentFields } from '../lvm/logical-fields.ts';
import { physicalFields } from '../lvm/physical-fields.ts';
import { chosenFields, reportText, sorted } from '../lvm/report.ts';
import { groupRows, logicalRows, physicalRows, segmentRows, type Row } from '../lvm/rows.ts';
import { readable, type Units } from '../lvm/units.ts';
import { print } from '../output.ts';

export type DeviceOptions = { readonly devices?: readonly string[] };

export type ReportOptions = DeviceOptions & {
  readonly options?: readonly string[];
  readonly sort?: string;
  readonly units?: Units;
  readonly nosuffix?: boolean;
  readonly noheadings?: boolean;
  readonly separator?: string;
  readonly aligned?: boolean;
  readonly reportformat: 'basic' | 'json';
  readonly all?: boolean;
  readonly segments?: boolean;
};

type Kind = {
  readonly of: 'pv' | 'vg' | 'lv';
  readonly known: readonly Field[];
  readonly usual: readonly string[];
  readonly keys: string;
};

const kinds = {
  pvs: {
    of: 'pv',
    known: [...physicalFields, ...groupFields],
    usual: ['pv_name', 'vg_name', 'pv_fmt', 'pv_attr', 'pv_size', 'pv_free'],
    keys: 'pv_name',
  },
  vgs: {
    of: 'vg',
    known: groupFields,
    usual: ['vg_name', 'pv_count', 'lv_count', 'snap_count', 'vg_attr', 'vg_size', 'vg_free'],
    keys: 'vg_name',
  },
  lvs: {
    of: 'lv',
    known: [...logicalFields, ...segmentFields, ...groupFields],
    usual: [
      'lv_name',
      'vg_name',
      'lv_attr',
      'lv_size',
      'pool_lv',
      'origin',
      'data_percent',
      'metadata_percent',
      'move_pv',
      'mirror_log',
      'copy_percent',
      'convert_lv',
    ],
    keys: 'vg_name,lv_name',
  },
} as const satisfies Readonly<Record<string, Kind>>;

const sections = { vg_all: groupFields, pv_all: physicalFields, lv_all: logicalFields, seg_all: segmentFields };

const usualSegments = ['lv_name', 'vg_name', 'lv_attr', 'stripes', 'segtype', 'seg_size'];

function printReport(rows: readonly Row[], kind: Kind, options: ReportOptions): void {
  const { aligned = false, nosuffix = false, options: wanted = [], reportformat: format, separator, sort } = options;
  const headings = options.noheadings !== true;
  const fields = chosenFields(kind.known, sections, kind.usual, kind.of, wanted);
  const ordered = sorted(rows, kind.known, (sort ?? kind.keys).split(','));
  const units = { ...(options.units ?? readable), suffix: !nosuffix };
  const text = reportText(ordered, { of: kind.of, fields, units, format, headings, separator, aligned });
  if (text !== '') print(text);
}

/** Looks at the devices that a command names, and tells of copies of metadata that are damaged or old. */
export async function scanned(paths: readonly string[]): Promise<Scan> {
  if (paths.length === 0) throw new UsageError('name the devices or images to look at: --devices PATH');
  const found = await scan(createRealHost(), paths);
  for (const { faults, group, missing } of found.groups) {
    for (const { sentence } of faults) process.stderr.write(`  WARNING: ${sentence}\n`);
    for (const { deviceHint, id } of missing) {
      process.stderr.write(`  WARNING: VG ${group.name} is missing PV ${id} (last written to ${deviceHint}).\n`);
    }
  }
  return found;
}

/** Those that were named, or all. */
function groupsNamed(found: Scan, names: readonly string[]): readonly FoundGroup[] {
  return names.length === 0 ? found.groups : [...new Set(names)].map((name) => groupNamed(found, name));
}

async function physicalRowsOf(paths: readonly string[], { devices = [] }: DeviceOptions): Promise<Row[]> {
  const found = await scanned([...devices, ...paths]);
  const other = paths.find((path) => found.others.includes(path));
  if (other !== undefined) throw new AshlarError('not-found', `Failed to find physical volume "${other}".`);
  return physicalRows(found).filter(({ physical }) => paths.length === 0 || paths.includes(physical?.path ?? ''));
}

/** Of logical volumes named `VG`, `VG/LV`, or all. */
async function logicalRowsOf(names: readonly string[], all: boolean, { devices = [] }: DeviceOptions): Promise<Row[]> {
  const found = await scanned(devices);
  const rows = logicalRows(found);
  if (names.length === 0) return all ? rows : rows.filter(({ lv }) => lv?.isVisible === true);
  const wanted = new Set<Row>();
  for (const name of names) {
    const [groupName = '', volume] = name.replace(/^\/dev\//, '').split('/');
    const { group } = groupNamed(found, groupName);
    const matching = rows.filter(
      (row) => row.group?.group === group && (volume === undefined || row.lv?.name === volume),
    );
    if (volume !== undefined && matching.length === 0) {
      throw new AshlarError('not-found', `Failed to find logical volume "${groupName}/${volume}"`);
    }
    for (const row of matching) if (volume !== undefined || all || row.lv?.isVisible === true) wanted.add(row);
  }
  return rows.filter((row) => wanted.has(row));
}

export async function pvs(paths: readonly string[], options: ReportOptions): Promise<void> {
  printReport(await physicalRowsOf(paths, options), kinds.pvs, options);
}

export async function vgs(names: readonly string[], options: ReportOptions): Promise<void> {
  const found = await scanned(options.devices ?? []);
  printReport(groupRows({ ...found, groups: groupsNamed(found, names) }), kinds.vgs, options);
}

export async function lvs(names: readonly string[], options: ReportOptions): Promise<void> {
  const rows = await logicalRowsOf(names, options.all ?? false, options);
  const { segments = false } = options;
  const kind: Kind = segments ? { ...kinds.lvs, usual: usualSegments, keys: 'vg_name,lv_name,seg_start' } : kinds.lvs;
  const fields = chosenFields(kind.known, sections, kind.usual, kind.of, options.options ?? []);
  const isOfSegments = segments || fields.some((field) => segmentFields.includes(field));
  printReport(isOfSegments ? segmentRows(rows) : rows, kind, options);
}

export type DisplayOptions = DeviceOptions & {
  readonly units?: Units;
  readonly maps?: boolean;
  readonly short?: boolean;
};

const settingsOf = ({ maps = false, units = readable }: DisplayOptions) => ({ maps, units });

function printLines(lines: readonly string[]): void {
  if (lines.length > 0) print(indented(lines));
}

export async function pvdisplay(paths: readonly string[], options: DisplayOptions): Promise<void> {
  const rows = await physicalRowsOf(paths, options);
  const { short = false, units = readable } = options;
  printLines(rows.flatMap((row) => (short ? physicalLine(row, units) : physicalLines(row, settingsOf(options)))));
}

export async function vgdisplay(names: readonly string[], options: DisplayOptions): Promise<void> {
  const found = await scanned(options.devices ?? []);
  const { short = false, units = readable } = options;
  printLines(
    groupsNamed(found, names).flatMap((group) => (short ? groupLine(group, units) : groupLines(group, units))),
  );
}

export async function lvdisplay(
  names: readonly string[],
  options: DisplayOptions & { readonly all?: boolean },
): Promise<void> {
  const rows = await logicalRowsOf(names, options.all ?? false, options);
  printLines(rows.flatMap((row) => logicalLines(row, settingsOf(options))));
}

/** Fails with `corrupt` where anything is wrong with a group's metadata. */
export async function vgck(names: readonly string[], options: DeviceOptions): Promise<void> {
  const found = await scanned(options.devices ?? []);
  const wrong = groupsNamed(found, names).filter(({ faults, missing }) => faults.length > 0 || missing.length > 0);
  if (wrong.length === 0) return;
  const list = wrong.map(({ group }) => `'${group.name}'`).join(', ');
  throw new AshlarError('corrupt', `something is wrong with ${list}: see above`);
}
