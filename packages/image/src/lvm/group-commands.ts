import { resolve } from 'node:path';
import { AshlarError, isPowerOfTwo, MiB } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import type { OpenArea } from './commit.ts';
import {
  areasOf,
  commitGroup,
  foundAmong,
  locksOfDevices,
  pathsOf,
  refuseToWrite,
  withClaims,
  type ChangeOptions,
  type Claimed,
} from './change-group.ts';
import { newGroupTree, withPhysical, type PhysicalEntry } from './edit.ts';
import { lockOfAll, lvmLockDirectory } from './locks.ts';
import type { PvLabel } from './label.ts';
import { checkGroupName, checkTag } from './names.ts';
import { foreignSignature, markUsed, newLabel, removeLabel, writeNewPhysical } from './new-physical.ts';
import type { FoundPhysical } from './physical.ts';
import { scan, type Scan } from './scan.ts';
import type { VolumeGroup } from './group.ts';
import { newUuid } from './uuid.ts';

export type NewPhysicalOptions = Pick<ChangeOptions, 'lockDirectory'> & {
  /** Over what somebody else has there. */
  readonly overwrite: boolean;
};

const isUsed = (found: FoundPhysical | undefined): boolean =>
  found !== undefined && ((found.label.flags & 1) !== 0 || found.areas.some(({ group }) => group !== undefined));

function groupNameOf(found: FoundPhysical | undefined): string | undefined {
  return found?.areas.find(({ group }) => group !== undefined)?.group?.name;
}

/** Throws where the device is somebody's. */
async function checkFree(
  path: string,
  { file, found }: { file: HostFile; found: FoundPhysical | undefined },
  overwrite: boolean,
) {
  const name = groupNameOf(found);
  if (name !== undefined) {
    throw new AshlarError('exists', `Can't initialize physical volume "${path}" of volume group "${name}"`, { path });
  }
  if (isUsed(found)) {
    throw new AshlarError(
      'exists',
      `Can't initialize physical volume "${path}": a volume group whose metadata is missing has it`,
      { path },
    );
  }
  const other = overwrite || found !== undefined ? undefined : await foreignSignature(file);
  if (other === undefined) return;
  throw new AshlarError('exists', `'${path}' has ${other}: say --yes to lose it`, { path });
}

/** Makes physical volumes, all or none where one of them is somebody's. Fails with `exists`, `busy`, `invalid`. */
export async function createPhysical(host: Host, paths: readonly string[], options: NewPhysicalOptions): Promise<void> {
  const { lockDirectory = lvmLockDirectory, overwrite } = options;
  await withClaims(host, paths, [lockOfAll], lockDirectory, async (claimed) => {
    const labels = new Map<HostFile, PvLabel>();
    for (const [path, each] of claimed) {
      await checkFree(path, each, overwrite);
      labels.set(each.file, newLabel(host.random, each.file.size(), path));
    }
    for (const [file, label] of labels) await writeNewPhysical(file, label);
  });
}

/** Takes labels away from physical volumes of no group. */
export async function removePhysical(host: Host, paths: readonly string[], options: NewPhysicalOptions): Promise<void> {
  const { lockDirectory = lvmLockDirectory } = options;
  await withClaims(host, paths, [lockOfAll], lockDirectory, async (claimed) => {
    for (const [path, { found }] of claimed) {
      if (found === undefined) throw new AshlarError('not-found', `No PV found on device ${path}.`, { path });
      const name = groupNameOf(found);
      if (!isUsed(found)) continue;
      throw new AshlarError(
        'busy',
        `PV ${path} is used by VG ${name ?? 'whose metadata is missing'} so please use vgreduce first.`,
      );
    }
    for (const { file, found } of claimed.values()) await removeLabel(file, found!.label);
  });
}

/** A device on its way into a group. */
type Joining = { readonly file: HostFile; readonly path: string; readonly label: PvLabel; readonly area: OpenArea };

/** Those that are no physical volumes yet become some. */
async function joining(host: Host, paths: readonly string[], claimed: Claimed, overwrite: boolean): Promise<Joining[]> {
  for (const path of paths) {
    const each = claimed.get(path)!;
    const name = groupNameOf(each.found);
    if (name !== undefined) {
      throw new AshlarError('exists', `Physical volume '${path}' is already in volume group '${name}'`, { path });
    }
    await checkFree(path, each, overwrite);
    if (each.found === undefined) newLabel(host.random, each.file.size(), path);
  }
  const found: Joining[] = [];
  for (const path of new Set(paths)) {
    const { file, found: physical } = claimed.get(path)!;
    const label = physical?.label ?? newLabel(host.random, file.size(), path);
    const header = physical === undefined ? await writeNewPhysical(file, label) : physical.areas[0]?.header;
    if (header === undefined || physical?.areas.some(({ fault }) => fault !== undefined) === true) {
      throw new AshlarError('corrupt', `'${path}' has no metadata area that can be used: make it anew by pvcreate`, {
        path,
      });
    }
    found.push({ file, path, label, area: { file, header } });
  }
  return found;
}

/** How many extents a device has, from where data may begin to where a metadata area behind it does. Throws `invalid` for none. */
function entryOf({ label, path }: Joining, extentBytes: number): PhysicalEntry {
  const startBytes = label.dataAreas[0]?.offset ?? MiB;
  const areas = [...label.metadataAreas, ...label.bootAreas];
  const ends = areas.filter(({ offset }) => offset > startBytes).map(({ offset }) => offset);
  const endBytes = Math.min(label.deviceBytes, ...ends);
  const extentCount = Math.floor((endBytes - startBytes) / extentBytes);
  if (extentCount > 0)
    return { id: label.id, path: resolve(path), deviceBytes: label.deviceBytes, startBytes, extentCount };
  throw new AshlarError('invalid', `'${path}' has no room for one extent of ${extentBytes} bytes`, { path });
}

export type NewGroupOptions = ChangeOptions & {
  readonly overwrite: boolean;
  readonly extentBytes: number;
  readonly maxLogicalVolumes: number;
  readonly maxPhysicalVolumes: number;
  readonly tags: readonly string[];
};

const leastExtentBytes = 1024;

/** Makes a group of devices, which become physical volumes where they are none. Fails with `exists`, `busy`, `invalid`. */
export async function createGroup(
  host: Host,
  name: string,
  devices: readonly string[],
  options: NewGroupOptions,
): Promise<VolumeGroup> {
  const { description, extentBytes, lockDirectory = lvmLockDirectory, overwrite, tags } = options;
  checkGroupName(name);
  for (const tag of tags) checkTag(tag);
  if (extentBytes < leastExtentBytes || !isPowerOfTwo(extentBytes)) {
    throw new AshlarError('invalid', 'Physical extent size is a power of two from 1 KiB on');
  }
  refuseName(await scan(host, [...options.paths, ...devices]), name);
  return await withClaims(host, devices, locksOfDevices(name), lockDirectory, async (claimed) => {
    const joined = await joining(host, devices, claimed, overwrite);
    const most = { logicalVolumes: options.maxLogicalVolumes, physicalVolumes: options.maxPhysicalVolumes };
    const entries = joined.map((each) => entryOf(each, extentBytes));
    const tree = newGroupTree(newUuid(host.random), extentBytes, most, tags, entries);
    const group = await commitGroup(
      host,
      name,
      tree,
      0,
      joined.map(({ area }) => area),
      description,
    );
    for (const { file, label } of joined) await markUsed(file, label, true);
    return group;
  });
}

function refuseName({ groups }: Scan, name: string): void {
  if (groups.some(({ group }) => group.name === name)) {
    throw new AshlarError('exists', `A volume group called ${name} already exists.`);
  }
}

/** Gives a group more devices. Fails as `createGroup`, and where the group must not be written. */
export async function extendGroup(
  host: Host,
  name: string,
  devices: readonly string[],
  options: ChangeOptions & { readonly overwrite: boolean },
): Promise<VolumeGroup> {
  const { description, lockDirectory = lvmLockDirectory, overwrite } = options;
  const own = pathsOf(await scan(host, options.paths), name);
  return await withClaims(host, [...own, ...devices], locksOfDevices(name), lockDirectory, async (claimed) => {
    const found = foundAmong(claimed, name);
    refuseToWrite(found);
    const { group } = found;
    if (group.maxPhysicalVolumes > 0 && group.physicalVolumes.length + devices.length > group.maxPhysicalVolumes) {
      throw new AshlarError(
        'invalid',
        `Volume group "${name}" may have ${group.maxPhysicalVolumes} physical volumes only`,
      );
    }
    const joined = await joining(host, devices, claimed, overwrite);
    const tree = withPhysical(
      group.tree,
      joined.map((each) => entryOf(each, group.extentBytes)),
    );
    const areas = [...areasOf(found, claimed), ...joined.map(({ area }) => area)];
    const next = await commitGroup(host, name, tree, group.seqno, areas, description);
    for (const { file, label } of joined) await markUsed(file, label, true);
    return next;
  });
}
