import type { FoundArea, FoundGroup } from '@ashlar/image';

const sectorBytes = 512;

export const areasOf = ({ found }: FoundGroup): FoundArea[] => [...found.values()].flatMap(({ areas }) => [...areas]);

/** As LVM reckons it: half of what is there, less what the text takes. */
export function freeOfArea({ header, place }: FoundArea): number {
  const ring = place.sizeBytes - sectorBytes;
  const text = header?.committed?.sizeBytes ?? 0;
  const used = Math.ceil(text / sectorBytes) * sectorBytes;
  const free = Math.max(0, (ring - 2 * used) / 2);
  return free - (free % sectorBytes);
}

/** The least, 0 where there are none. */
export const least = (values: readonly number[]): number => (values.length === 0 ? 0 : Math.min(...values));
