import { hostname } from 'node:os';
import { AshlarError, isPowerOfTwo, KiB } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { allocate, type Piece } from './allocate.ts';
import { changeGroup, type ChangeOptions, type Claimed } from './change-group.ts';
import { withLogical, withMore, withName, withoutLogical } from './edit.ts';
import { namesUsedBy, type LogicalVolume, type StripedSegment, type VolumeGroup } from './group.ts';
import { checkLogicalName, checkTag } from './names.ts';
import type { FoundGroup } from './scan.ts';
import { newUuid } from './uuid.ts';

/** lvm2 zeros as much of what it makes, so that nothing of before is taken for a file system. */
const zeroedBytes = 4 * KiB;

export type NewLogical = {
  /** Unset: the next of lvol0, lvol1… */
  readonly name: string | undefined;
  /** Of a group as it is now: how many extents. */
  readonly extentsOf: (group: VolumeGroup, allowed: ReadonlySet<string> | undefined) => number;
  readonly stripes: number;
  readonly stripeBytes: number;
  /** Devices that may be used; none: all. */
  readonly devices: readonly string[];
  readonly tags: readonly string[];
  readonly isReadOnly: boolean;
  readonly isContiguous: boolean;
  /** Its first bytes become zeros. */
  readonly zeroes: boolean;
};

/** Keys of the devices that were named. Throws `not-found` for one that is not of the group. */
function keysOf({ found, group }: FoundGroup, devices: readonly string[]): ReadonlySet<string> | undefined {
  if (devices.length === 0) return undefined;
  return new Set(
    devices.map((path) => {
      const key = [...found].find(([, physical]) => physical.path === path)?.[0];
      if (key !== undefined) return key;
      throw new AshlarError('not-found', `Physical Volume "${path}" not found in Volume Group "${group.name}".`);
    }),
  );
}

function nextName({ logicalVolumes }: VolumeGroup): string {
  const names = new Set(logicalVolumes.map(({ name }) => name));
  let number = 0;
  while (names.has(`lvol${number}`)) number += 1;
  return `lvol${number}`;
}

/** Makes a linear or striped volume. Gives the group as it is then, and the volume's name. */
export async function createLogical(
  host: Host,
  groupName: string,
  wanted: NewLogical,
  options: ChangeOptions,
): Promise<{ readonly group: VolumeGroup; readonly name: string }> {
  const { stripeBytes, stripes, tags } = wanted;
  for (const tag of tags) checkTag(tag);
  if (wanted.name !== undefined) checkLogicalName(wanted.name);
  checkStripes(stripes, stripeBytes);
  let name = '';
  const group = await changeGroup(host, groupName, options, async (found, claimed) => {
    name = wanted.name ?? nextName(found.group);
    refuseLogicalName(found.group, name);
    const { maxLogicalVolumes } = found.group;
    if (maxLogicalVolumes > 0 && found.group.logicalVolumes.length >= maxLogicalVolumes) {
      throw new AshlarError(
        'invalid',
        `Maximum number of logical volumes (${maxLogicalVolumes}) reached in volume group ${groupName}`,
      );
    }
    const allowed = keysOf(found, wanted.devices);
    const extents = wanted.extentsOf(found.group, allowed);
    const pieces = allocate(found.group, { extents, stripes, allowed, contiguous: wanted.isContiguous });
    if (wanted.zeroes) await zeroBeginning(pieces, found, claimed);
    return withLogical(found.group.tree, {
      ...wanted,
      // As lvm2: a stripe is no larger than an extent.
      stripeBytes: Math.min(stripeBytes, found.group.extentBytes),
      name,
      id: newUuid(host.random),
      created: Math.floor(host.clock.wallMs() / 1000),
      host: hostname(),
      pieces,
    });
  });
  return { group, name };
}

function checkStripes(stripes: number, stripeBytes: number): void {
  if (stripes < 1 || stripes > 128)
    throw new AshlarError('invalid', `Number of stripes (${stripes}) must be between 1 and 128`);
  if (stripes === 1 || (isPowerOfTwo(stripeBytes) && stripeBytes >= 4 * KiB)) return;
  throw new AshlarError('invalid', 'Invalid stripe size: a power of two from 4 KiB on');
}

function refuseLogicalName({ logicalVolumes, name: groupName }: VolumeGroup, name: string): void {
  if (!logicalVolumes.some((volume) => volume.name === name)) return;
  throw new AshlarError('exists', `Logical Volume "${name}" already exists in volume group "${groupName}"`);
}

/** Nothing has these extents yet: they may be written before the volume is there. */
async function zeroBeginning([piece]: readonly Piece[], { found, group }: FoundGroup, claimed: Claimed): Promise<void> {
  const [place] = piece?.places ?? [];
  const volume = group.physicalVolumes.find(({ key }) => key === place?.key);
  const file = claimed.get(found.get(place?.key ?? '')?.path ?? '')?.file;
  if (place === undefined || volume === undefined || file === undefined) return;
  const bytes = new Uint8Array(Math.min(zeroedBytes, group.extentBytes));
  await file.write(volume.startBytes + place.start * group.extentBytes, bytes);
  await file.sync();
}

/** A volume that may be changed: a plain one that no other is made of. Throws `not-found`, and `unsupported` in a sentence. */
function plainVolume(group: VolumeGroup, name: string, what: string): LogicalVolume {
  const volume = group.logicalVolumes.find((each) => each.name === name);
  if (volume === undefined) throw new AshlarError('not-found', `Failed to find logical volume "${group.name}/${name}"`);
  const refuse = (why: string): never => {
    throw new AshlarError('unsupported', `the logical volume '${group.name}/${name}' is not ${what}: ${why}`);
  };
  for (const { name: other, segments } of group.logicalVolumes) {
    for (const segment of segments) {
      if (namesUsedBy(segment).includes(name) || (segment.kind === 'thin' && segment.origin === name)) {
        refuse(`'${other}' is made of it, or is a snapshot of it`);
      }
    }
  }
  if (!volume.isVisible) refuse('LVM keeps it to itself');
  const other = volume.segments.find((segment) => segment.kind !== 'striped');
  if (other !== undefined) refuse(`it is of the type ${other.type}, and only linear and striped ones are changed here`);
  if (volume.segments.some((segment) => segment.kind === 'striped' && segment.areas.some(({ on }) => on === 'lv'))) {
    refuse('it lies on other logical volumes');
  }
  return volume;
}

/** Removes volumes; `names` empty: all of the group. */
export async function removeLogical(
  host: Host,
  groupName: string,
  names: readonly string[],
  options: ChangeOptions,
): Promise<readonly string[]> {
  let removed: readonly string[] = [];
  await changeGroup(host, groupName, options, ({ group }) => {
    removed = names.length > 0 ? names : group.logicalVolumes.map(({ name }) => name);
    for (const name of removed) plainVolume(group, name, 'removed');
    return withoutLogical(group.tree, removed);
  });
  return removed;
}

export type Growth = {
  /** Of the volume as it is: how many extents it has then. */
  readonly extentsOf: (group: VolumeGroup, volume: LogicalVolume, allowed: ReadonlySet<string> | undefined) => number;
  readonly devices: readonly string[];
};

/** A volume's extents, before and after. */
export type Grown = { readonly group: VolumeGroup; readonly before: number; readonly after: number };

/** Makes a volume larger. Fails with `invalid` where it would not be. */
export async function extendLogical(
  host: Host,
  groupName: string,
  name: string,
  growth: Growth,
  options: ChangeOptions,
): Promise<Grown> {
  let before = 0;
  const group = await changeGroup(host, groupName, options, (found) => {
    const volume = plainVolume(found.group, name, 'extended');
    const allowed = keysOf(found, growth.devices);
    const extents = growth.extentsOf(found.group, volume, allowed);
    before = volume.extentCount;
    if (extents <= before) {
      throw new AshlarError(
        'invalid',
        `New size given (${extents} extents) not larger than existing size (${before} extents)`,
      );
    }
    const last = volume.segments.at(-1) as StripedSegment;
    const stripes = last.areas.length;
    const more = Math.ceil((extents - before) / stripes) * stripes;
    const after = last.areas.map(({ extent, name: key }) => ({ key, start: extent + last.extentCount / stripes }));
    const contiguous = volume.allocation === 'contiguous';
    const pieces = allocate(found.group, { extents: more, stripes, allowed, contiguous, after });
    return withMore(found.group, volume, pieces);
  });
  const after = group.logicalVolumes.find((volume) => volume.name === name)!.extentCount;
  return { group, before, after };
}

export async function renameLogical(
  host: Host,
  groupName: string,
  from: string,
  to: string,
  options: ChangeOptions,
): Promise<void> {
  checkLogicalName(to);
  await changeGroup(host, groupName, options, ({ group }) => {
    plainVolume(group, from, 'renamed');
    refuseLogicalName(group, to);
    return withName(group.tree, from, to);
  });
}
