import { AshlarError, maxOffset } from '@ashlar/core';
import { Fields } from './fields.ts';
import {
  allocatedRuns,
  bytesOfSectors,
  isSnapshotRecord,
  namesUsedBy,
  type LogicalVolume,
  type PhysicalVolume,
  type Segment,
  type VolumeGroup,
} from './group.ts';
import { readSegment, type Names } from './read-segment.ts';
import { sectionsIn, type Section } from './text/tree.ts';

/** What is known of each, and so kept as it is when something else changes. */
const known = {
  groupStatus: ['RESIZEABLE', 'READ', 'WRITE', 'EXPORTED'],
  physicalStatus: ['ALLOCATABLE', 'EXPORTED', 'MISSING'],
  physicalFlags: ['MISSING'],
  logicalStatus: ['READ', 'WRITE', 'VISIBLE', 'FIXED_MINOR'],
  logicalFlags: ['ACTIVATION_SKIP', 'ERROR_WHEN_FULL', 'NOTSYNCED', 'NOAUTOACTIVATE', 'CROP_METADATA'],
  group: ['profile'],
  physical: ['device_id', 'device_id_type', 'ba_start', 'ba_size'],
  logical: ['profile', 'major', 'minor', 'lock_args'],
  /** Of the text itself. */
  text: ['contents', 'version', 'description', 'creation_host', 'creation_time'],
};

/** LVM's own lie four or five deep in each other. */
const mostNesting = 32;

const contents = 'Text Format Volume Group';

/** Reads a text as the volume group that it is of. Throws `corrupt`, and `unsupported` for texts of another kind. */
export function readGroup(text: Section, path: string): VolumeGroup {
  const head = new Fields(text, `'${path}'`);
  if (head.string('contents') !== contents || head.number('version') !== 1) {
    throw new AshlarError('unsupported', `the metadata of '${path}' is of a kind that is not known`, { path });
  }
  const [found, ...others] = sectionsIn(text);
  if (found === undefined || others.length > 0) throw head.fault('it is not of one volume group');
  const [name, tree] = found;
  head.section(name);
  const notes = new Notes();
  notes.names(`the text of '${name}' has`, head.unknown(known.text));
  return groupOf(name, tree, notes);
}

/** Sentences on what is not understood. */
class Notes {
  readonly found: string[] = [];

  names(where: string, names: readonly string[]): void {
    if (names.length > 0) this.found.push(`${where} '${names.join("', '")}'`);
  }

  others(where: string, names: readonly string[], among: readonly string[]): void {
    this.names(
      where,
      names.filter((each) => !among.includes(each)),
    );
  }
}

function groupOf(name: string, tree: Section, notes: Notes): VolumeGroup {
  const where = `the volume group '${name}'`;
  const fields = new Fields(tree, where);
  const status = fields.strings('status');
  notes.others(`${where} has the status`, status, known.groupStatus);
  notes.others(`${where} has the flag`, fields.strings('flags'), []);
  const format = fields.string('format', 'lvm2');
  if (format !== 'lvm2') notes.names(`${where} is of the format`, [format]);
  const physical = sectionsIn(fields.section('physical_volumes'));
  const logical = sectionsIn(fields.section('logical_volumes'));
  const names = {
    physical: new Set(physical.map(([key]) => key)),
    logical: new Set(logical.map(([key]) => key)),
  };
  const extentBytes = bytesOfSectors(fields.number('extent_size'));
  if (extentBytes < 1024 || extentBytes > maxOffset) throw fields.fault('its extents have no size');
  const group: VolumeGroup = {
    name,
    id: fields.uuid('id'),
    seqno: fields.number('seqno'),
    status,
    tags: fields.strings('tags'),
    extentBytes,
    maxLogicalVolumes: fields.number('max_lv', 0),
    maxPhysicalVolumes: fields.number('max_pv', 0),
    metadataCopies: fields.number('metadata_copies', 0),
    systemId: fields.string('system_id', ''),
    lockType: fields.string('lock_type', ''),
    allocation: fields.string('allocation_policy', 'normal'),
    physicalVolumes: physical.map(([key, section]) => physicalOf(key, section, extentBytes, notes)),
    logicalVolumes: withStores(logical.map(([key, section]) => logicalOf(key, section, names, extentBytes, notes))),
    tree,
    notUnderstood: notes.found,
  };
  notes.names(`${where} has`, fields.unknown(known.group));
  checkExtents(group, fields);
  checkNesting(group, fields);
  return group;
}

function physicalOf(key: string, section: Section, extentBytes: number, notes: Notes): PhysicalVolume {
  const fields = new Fields(section, `the physical volume '${key}'`);
  const status = fields.strings('status');
  const flags = fields.strings('flags');
  notes.others(`the physical volume '${key}' has the status`, status, known.physicalStatus);
  notes.others(`the physical volume '${key}' has the flag`, flags, known.physicalFlags);
  const found = {
    key,
    id: fields.uuid('id'),
    deviceHint: fields.string('device', ''),
    status: [...status, ...flags],
    tags: fields.strings('tags'),
    deviceBytes: bytesOfSectors(fields.number('dev_size', 0)),
    startBytes: bytesOfSectors(fields.number('pe_start')),
    extentCount: fields.number('pe_count'),
  };
  notes.names(`the physical volume '${key}' has`, fields.unknown(known.physical));
  if (found.startBytes + found.extentCount * extentBytes > maxOffset) throw fields.fault('it is larger than can be');
  return found;
}

function logicalOf(name: string, section: Section, names: Names, extentBytes: number, notes: Notes): LogicalVolume {
  const where = `the logical volume '${name}'`;
  const fields = new Fields(section, where);
  const status = fields.strings('status');
  const flags = fields.strings('flags');
  notes.others(`${where} has the status`, status, known.logicalStatus);
  notes.others(`${where} has the flag`, flags, known.logicalFlags);
  const count = fields.number('segment_count');
  const segments: Segment[] = [];
  let extentCount = 0;
  for (let index = 1; index <= count; index += 1) {
    const { segment, unknown } = readSegment(fields.section(`segment${index}`), where, names);
    notes.names(`${where} has`, unknown);
    if (segment.startExtent !== extentCount) throw fields.fault('its segments do not follow each other');
    extentCount += segment.extentCount;
    segments.push(segment);
  }
  if (extentCount * extentBytes > maxOffset) throw fields.fault('it is larger than can be');
  const found = {
    name,
    id: fields.uuid('id'),
    status,
    isVisible: status.includes('VISIBLE'),
    flags,
    tags: fields.strings('tags'),
    created: fields.number('creation_time', 0) || undefined,
    creationHost: fields.optional('creation_host'),
    allocation: fields.string('allocation_policy', 'inherit'),
    readAhead: readAheadOf(fields, section),
    extentCount,
    segments,
  };
  notes.names(`${where} has`, fields.unknown(known.logical));
  return found;
}

/** The store of a snapshot is shown, and what LVM writes of the snapshot itself is not. */
function withStores(volumes: readonly LogicalVolume[]): LogicalVolume[] {
  const stores = new Set(
    volumes.flatMap(({ isVisible, segments }) =>
      segments.flatMap((segment) => (segment.kind === 'snapshot' && isVisible ? [segment.store] : [])),
    ),
  );
  return volumes.map((volume) => {
    const isVisible = !isSnapshotRecord(volume) && (volume.isVisible || stores.has(volume.name));
    return { ...volume, isVisible };
  });
}

function readAheadOf(fields: Fields, section: Section): LogicalVolume['readAhead'] {
  if (typeof section.get('read_ahead') === 'number') return fields.number('read_ahead');
  return fields.string('read_ahead', 'auto') === 'none' ? 'none' : 'auto';
}

/** Each extent lies on its volume, and is of one segment only. */
function checkExtents(group: VolumeGroup, fields: Fields): void {
  for (const { extentCount, key } of group.physicalVolumes) {
    let end = 0;
    for (const { count, start, volume } of allocatedRuns(group).get(key) ?? []) {
      if (start < end) throw fields.fault(`two logical volumes have extent ${start} of '${key}'`);
      end = start + count;
      if (end > extentCount) throw fields.fault(`'${volume.name}' has extents beyond the end of '${key}'`);
    }
  }
}

/** No logical volume is made of itself, and none of parts of parts without end. */
function checkNesting(group: VolumeGroup, fields: Fields): void {
  const byName = new Map(group.logicalVolumes.map((volume) => [volume.name, volume]));
  const done = new Set<string>();
  const visit = (name: string, depth: number): void => {
    if (done.has(name)) return;
    if (depth > mostNesting) throw fields.fault(`'${name}' is made of itself, or of too many others in each other`);
    for (const segment of byName.get(name)?.segments ?? [])
      for (const used of namesUsedBy(segment)) visit(used, depth + 1);
    done.add(name);
  };
  for (const { name } of group.logicalVolumes) visit(name, 0);
}
