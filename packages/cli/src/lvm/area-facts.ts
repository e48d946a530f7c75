import { alignDown } from '@ashlar/core';
import type { FoundArea, FoundGroup } from '@ashlar/image/lvm';

const sectorBytes = 512;

export const areasOf = ({ found }: FoundGroup): FoundArea[] => [...found.values()].flatMap(({ areas }) => [...areas]);

/** As LVM reckons it: half of what is there, for a text beside the one that counts, less a sector and the text. */
export function freeOfArea({ header, place }: FoundArea): number {
  const most = (place.sizeBytes - sectorBytes) / 2 - sectorBytes;
  return Math.max(0, alignDown(most - (header?.committed?.sizeBytes ?? 0), sectorBytes));
}

/** The least, 0 where there are none. */
export const least = (values: readonly number[]): number => (values.length === 0 ? 0 : Math.min(...values));
