import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { PhysicalVolume, VolumeGroup } from './group.ts';
import { readPhysical, type FoundPhysical } from './physical.ts';

/** What is wrong with a copy. `isBehind`: it is whole, and older than the newest: the next change brings it up to date. */
export type CopyFault = { readonly sentence: string; readonly isBehind: boolean };

/** A volume group by its newest metadata, and where its physical volumes are. */
export type FoundGroup = {
  readonly group: VolumeGroup;
  /** By key; what is missing is not in it. */
  readonly found: ReadonlyMap<string, FoundPhysical>;
  readonly missing: readonly PhysicalVolume[];
  /** Copies of the metadata that are damaged, or older. */
  readonly faults: readonly CopyFault[];
};

export type Scan = {
  readonly groups: readonly FoundGroup[];
  /** Physical volumes of no group, and of groups whose metadata is nowhere. */
  readonly orphans: readonly FoundPhysical[];
  /** Of those that were named, the ones that are no physical volume. */
  readonly others: readonly string[];
};

/** Looks at devices and files, and changes nothing. Fails with `corrupt` for damaged labels and with `exists` for one volume by two paths. */
export async function scan(host: Host, paths: readonly string[]): Promise<Scan> {
  const physicals: FoundPhysical[] = [];
  const others: string[] = [];
  for (const path of new Set(paths)) {
    const file = host.open(path, { readOnly: true });
    try {
      const found = await readPhysical(file);
      if (found === undefined) others.push(path);
      else physicals.push(found);
    } finally {
      file.close();
    }
  }
  return { ...groupsOf(physicals), others };
}

/** Puts together what was found. */
export function groupsOf(physicals: readonly FoundPhysical[]): Omit<Scan, 'others'> {
  const byId = new Map<string, FoundPhysical>();
  for (const found of physicals) {
    const other = byId.get(found.label.id);
    if (other !== undefined) {
      throw new AshlarError('exists', `'${other.path}' and '${found.path}' are one physical volume: name only one`);
    }
    byId.set(found.label.id, found);
  }
  const groups = newestOf(physicals).map((group) => foundGroup(group, byId, physicals));
  const used = new Set(groups.flatMap(({ found }) => [...found.values()]));
  return { groups, orphans: physicals.filter((found) => !used.has(found)) };
}

/** Each group once, by the text with the highest number. */
function newestOf(physicals: readonly FoundPhysical[]): VolumeGroup[] {
  const newest = new Map<string, VolumeGroup>();
  for (const { areas } of physicals) {
    for (const { group } of areas) {
      if (group === undefined) continue;
      const there = newest.get(group.id);
      if (there === undefined || group.seqno > there.seqno) newest.set(group.id, group);
    }
  }
  return [...newest.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function foundGroup(
  group: VolumeGroup,
  byId: ReadonlyMap<string, FoundPhysical>,
  physicals: readonly FoundPhysical[],
): FoundGroup {
  const found = new Map<string, FoundPhysical>();
  const missing: PhysicalVolume[] = [];
  for (const volume of group.physicalVolumes) {
    const there = byId.get(volume.id);
    if (there === undefined) missing.push(volume);
    else found.set(volume.key, there);
  }
  const used = new Set(found.values());
  const faults = physicals.flatMap((physical) => (used.has(physical) ? faultsOf(physical, group) : []));
  return { group, found, missing, faults };
}

function faultsOf({ areas, label, path, sizeBytes }: FoundPhysical, group: VolumeGroup): CopyFault[] {
  const faults: CopyFault[] = [];
  const damaged = (sentence: string): void => void faults.push({ sentence, isBehind: false });
  const behind = (sentence: string): void => void faults.push({ sentence, isBehind: true });
  for (const area of areas) {
    if (area.fault !== undefined) damaged(area.fault.message);
    else if (area.header?.isIgnored === true) continue;
    else if (area.group === undefined) behind(`'${path}' has no metadata of '${group.name}' yet`);
    else if (area.group.id !== group.id) damaged(`'${path}' has metadata of another group '${area.group.name}'`);
    else if (area.group.seqno !== group.seqno) {
      behind(`'${path}' has metadata number ${area.group.seqno} of '${group.name}', and ${group.seqno} is the newest`);
    }
  }
  const volume = group.physicalVolumes.find(({ id }) => id === label.id);
  const endBytes = volume === undefined ? 0 : volume.startBytes + volume.extentCount * group.extentBytes;
  if (endBytes > sizeBytes) damaged(`'${path}' ends before its last extent`);
  return faults;
}

/** The group of a name. Throws `not-found`, and `invalid` where two have it. */
export function groupNamed({ groups }: Pick<Scan, 'groups'>, name: string): FoundGroup {
  const [found, ...more] = groups.filter(({ group }) => group.name === name);
  if (found === undefined) throw new AshlarError('not-found', `Volume group "${name}" not found`);
  if (more.length === 0) return found;
  throw new AshlarError('invalid', `two volume groups have the name '${name}': name the devices of one of them`);
}
