import { AshlarError } from '@ashlar/core';
import { freeCount, type LogicalVolume, type VolumeGroup } from '@ashlar/image/lvm';
import { totalExtents } from './group-fields.ts';
import type { ExtentsGiven, SizeGiven } from './sizes.ts';
import { readable, sizeText } from './units.ts';

export type Given = { readonly size: SizeGiven | undefined; readonly extents: ExtentsGiven | undefined };

/** What a number of extents comes from: the group, the devices that may be used, and the volume where there is one. */
export type Around = {
  readonly group: VolumeGroup;
  readonly allowed: ReadonlySet<string> | undefined;
  readonly volume?: LogicalVolume;
  readonly stripes: number;
};

type Say = (sentence: string) => void;

const shown = (group: VolumeGroup, extents: number): string =>
  sizeText(extents * group.extentBytes, readable, 'long').trim();

/** How many extents are meant in all, told in lvm2's words where that is not what was given. Throws `invalid`. */
export function extentsGiven({ extents, size }: Given, around: Around, say: Say): number {
  const { group, stripes, volume } = around;
  const { count, isMore } = size === undefined ? counted(extents, around) : rounded(size, around, say);
  if (count === 0) throw new AshlarError('invalid', 'Unable to create new logical volume with no extents.');
  const before = isMore ? (volume?.extentCount ?? 0) : 0;
  const all = before + count;
  const rest = (all - (volume?.extentCount ?? 0)) % stripes;
  if (rest <= 0) return all;
  // Of what is free there is no more: it is rounded down.
  const isDown = extents?.percentOf !== undefined && all > stripes;
  const to = isDown ? all - rest : all + stripes - rest;
  const from = `${shown(group, all)} (${all} extents)`;
  say(`Rounding size ${from} ${isDown ? 'down' : 'up'} to stripe boundary size ${shown(group, to)} (${to} extents).`);
  return to;
}

type Counted = { readonly count: number; readonly isMore: boolean };

function rounded({ bytes, isMore }: SizeGiven, { group, volume }: Around, say: Say): Counted {
  const count = Math.ceil(bytes / group.extentBytes);
  if (bytes % group.extentBytes !== 0) {
    const to = shown(group, count);
    say(
      volume === undefined
        ? `Rounding up size to full physical extent ${to}`
        : `Rounding size to boundary between physical extents: ${to}.`,
    );
  }
  return { count, isMore };
}

function counted(extents: ExtentsGiven | undefined, around: Around): Counted {
  if (extents === undefined) throw new AshlarError('invalid', 'Please specify either size or extents.');
  const { count, isMore, percentOf } = extents;
  if (percentOf === undefined) return { count, isMore };
  return { count: Math.floor((baseOf(percentOf, around) * count) / 100), isMore };
}

function baseOf(percentOf: NonNullable<ExtentsGiven['percentOf']>, { allowed, group, volume }: Around): number {
  switch (percentOf) {
    case 'VG':
      return totalExtents(group);
    case 'FREE':
      return freeCount(group, allowed);
    case 'PVS':
      return group.physicalVolumes.reduce(
        (sum, { extentCount, key }) => sum + ((allowed?.has(key) ?? true) ? extentCount : 0),
        0,
      );
    case 'LV':
      if (volume !== undefined) return volume.extentCount;
      throw new AshlarError('invalid', 'a new logical volume has no size yet: %LV is for lvextend');
  }
}
