import { AshlarError, KiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import {
  createGroup,
  createLogical,
  createPhysical,
  extendGroup,
  extendLogical,
  removeLogical,
  removePhysical,
  renameLogical,
  scan,
  type VolumeGroup,
} from '@ashlar/image/lvm';
import { UsageError } from '../failure.ts';
import { extentsGiven } from '../lvm/extents.ts';
import { waitingForLocks } from '../lvm/lock-wait.ts';
import type { ExtentsGiven, SizeGiven } from '../lvm/sizes.ts';
import { readable, sizeText } from '../lvm/units.ts';
import { print } from '../output.ts';
import type { DeviceOptions } from './lvm-reports.ts';

const defaultStripeBytes = 64 * KiB;

const say = (sentence: string): void => print(`  ${sentence}`);

/** As the text keeps it. */
const description = (): string => `Write from ashlar ${process.argv.slice(2).join(' ')}.`;

type YesOptions = { readonly yes?: boolean; readonly force?: boolean };

function changeOptions({ devices = [] }: DeviceOptions) {
  return { paths: devices, description: description() };
}

/** `VG/LV`, also as a path in /dev. */
function namesIn(text: string): { readonly group: string; readonly volume: string | undefined } {
  const [group = '', volume, ...more] = text.replace(/^\/dev\//, '').split('/');
  if (group === '' || volume === '' || more.length > 0) throw new UsageError(`'${text}' is no name such as VG/LV`);
  return { group, volume };
}

export async function pvcreate(paths: readonly string[], { yes = false }: YesOptions): Promise<void> {
  await waitingForLocks(() => createPhysical(createRealHost(), paths, { overwrite: yes }));
  for (const path of paths) say(`Physical volume "${path}" successfully created.`);
}

export async function pvremove(paths: readonly string[]): Promise<void> {
  await waitingForLocks(() => removePhysical(createRealHost(), paths, { overwrite: false }));
  for (const path of paths) say(`Labels on physical volume "${path}" successfully wiped.`);
}

export type GroupOptions = DeviceOptions &
  YesOptions & {
    readonly physicalextentsize: number;
    readonly maxlogicalvolumes: number;
    readonly maxphysicalvolumes: number;
    readonly addtag?: readonly string[];
  };

/** Tells of devices that became physical volumes on the way. */
async function withNew(paths: readonly string[], change: () => Promise<unknown>): Promise<void> {
  const { others } = await scan(createRealHost(), paths);
  await change();
  for (const path of others) say(`Physical volume "${path}" successfully created.`);
}

export async function vgcreate(name: string, paths: readonly string[], options: GroupOptions): Promise<void> {
  const { addtag = [], maxlogicalvolumes, maxphysicalvolumes, physicalextentsize, yes = false } = options;
  const made = {
    ...changeOptions(options),
    overwrite: yes,
    extentBytes: physicalextentsize,
    maxLogicalVolumes: maxlogicalvolumes,
    maxPhysicalVolumes: maxphysicalvolumes,
    tags: addtag,
  };
  await withNew(paths, () => waitingForLocks(() => createGroup(createRealHost(), name, paths, made)));
  say(`Volume group "${name}" successfully created`);
}

export async function vgextend(
  name: string,
  paths: readonly string[],
  options: DeviceOptions & YesOptions,
): Promise<void> {
  const { devices = [], yes = false } = options;
  // A device of the group may be named among those that join it, where lvm2 would have found it by itself.
  const all = { ...changeOptions({ devices }), overwrite: yes };
  await withNew(paths, () => waitingForLocks(() => extendGroup(createRealHost(), name, paths, all)));
  say(`Volume group "${name}" successfully extended`);
}

export type CreateOptions = DeviceOptions & {
  readonly name?: string;
  readonly size?: SizeGiven;
  readonly extents?: ExtentsGiven;
  readonly stripes: number;
  readonly stripesize?: number;
  readonly addtag?: readonly string[];
  readonly permission: 'r' | 'rw';
  readonly contiguous: 'y' | 'n';
  readonly zero: 'y' | 'n';
};

function checkGiven({ extents, size }: { readonly size?: SizeGiven; readonly extents?: ExtentsGiven }): void {
  if ((extents === undefined) === (size === undefined)) throw new UsageError('say either --size or --extents');
}

export async function lvcreate(groupName: string, paths: readonly string[], options: CreateOptions): Promise<void> {
  const { addtag = [], contiguous, extents, name, permission, size, stripes, stripesize, zero } = options;
  checkGiven(options);
  if (size?.isMore || extents?.isMore) throw new UsageError('what is new has no size to add to: leave out the +');
  if (stripes > 1 && stripesize === undefined)
    say(`Using default stripesize ${sizeText(defaultStripeBytes, readable, 'long')}.`);
  const named = name === undefined ? undefined : namesIn(name.includes('/') ? name : `${groupName}/${name}`).volume;
  const made = await waitingForLocks(() =>
    createLogical(
      createRealHost(),
      groupName,
      {
        name: named,
        extentsOf: (group, allowed) => extentsGiven({ size, extents }, { group, allowed, stripes }, say),
        stripes,
        stripeBytes: stripesize ?? defaultStripeBytes,
        devices: paths,
        tags: addtag,
        isReadOnly: permission === 'r',
        isContiguous: contiguous === 'y',
        zeroes: zero === 'y',
      },
      withPaths(options, paths),
    ),
  );
  say(`Logical volume "${made.name}" created.`);
}

/** Devices that volumes are to lie on are of the group: they need not be named twice. */
const withPaths = ({ devices = [] }: DeviceOptions, paths: readonly string[]) =>
  changeOptions({ devices: [...new Set([...devices, ...paths])] });

export async function lvremove(names: readonly string[], options: DeviceOptions): Promise<void> {
  const byGroup = new Map<string, string[] | 'all'>();
  for (const { group, volume } of names.map(namesIn)) {
    const there = byGroup.get(group) ?? [];
    byGroup.set(group, volume === undefined || there === 'all' ? 'all' : [...there, volume]);
  }
  for (const [group, volumes] of byGroup) {
    const wanted = volumes === 'all' ? [] : volumes;
    const removed = await waitingForLocks(() => removeLogical(createRealHost(), group, wanted, changeOptions(options)));
    for (const name of removed) say(`Logical volume "${name}" successfully removed.`);
  }
}

export type ExtendOptions = DeviceOptions & { readonly size?: SizeGiven; readonly extents?: ExtentsGiven };

export async function lvextend(name: string, paths: readonly string[], options: ExtendOptions): Promise<void> {
  const { extents, size } = options;
  checkGiven(options);
  const { group: groupName, volume: volumeName } = namesIn(name);
  if (volumeName === undefined)
    throw new UsageError(`'${name}' is of a group: name a volume of it, such as ${name}/LV`);
  const growth = {
    extentsOf: (
      group: VolumeGroup,
      volume: VolumeGroup['logicalVolumes'][number],
      allowed: ReadonlySet<string> | undefined,
    ) => {
      const last = volume.segments.at(-1);
      const stripes = last?.kind === 'striped' ? last.areas.length : 1;
      return extentsGiven({ size, extents }, { group, allowed, volume, stripes }, say);
    },
    devices: paths,
  };
  const { after, before, group } = await waitingForLocks(() =>
    extendLogical(createRealHost(), groupName, volumeName, growth, withPaths(options, paths)),
  );
  const shown = (count: number): string =>
    `${sizeText(count * group.extentBytes, readable, 'long')} (${count} extents)`;
  say(`Size of logical volume ${groupName}/${volumeName} changed from ${shown(before)} to ${shown(after)}.`);
  say(`Logical volume ${groupName}/${volumeName} successfully resized.`);
}

export async function lvrename(
  first: string,
  second: string,
  third: string | undefined,
  options: DeviceOptions,
): Promise<void> {
  const { group, volume: from } = third === undefined ? namesIn(first) : namesIn(`${first}/${second}`);
  const name = third ?? second;
  const { group: toGroup, volume: to } = namesIn(name.includes('/') ? name : `${group}/${name}`);
  if (from === undefined || to === undefined) throw new UsageError('name a volume, and its new name');
  if (group !== toGroup) throw new AshlarError('invalid', 'a logical volume stays in its volume group');
  await waitingForLocks(() => renameLogical(createRealHost(), group, from, to, changeOptions(options)));
  say(`Renamed "${from}" to "${to}" in volume group "${group}"`);
}
