import type { Segment } from '@ashlar/image/lvm';
import type { Row } from './rows.ts';

/** Where a segment lies: a device or another logical volume, and the first extent there of so many. */
export type Place = {
  readonly name: string;
  readonly isLogical: boolean;
  readonly start: number;
  readonly count: number;
};

export function placesOf({ group, segment }: Row): Place[] {
  if (segment === undefined || group === undefined) return [];
  const pathOf = (key: string): string => group.found.get(key)?.path ?? '[unknown]';
  const whole = (name: string): Place => ({
    name,
    isLogical: true,
    start: segment.startExtent,
    count: segment.extentCount,
  });
  switch (segment.kind) {
    case 'striped':
    case 'mirror':
      return segment.areas.map(({ extent, name, on }) => ({
        name: on === 'pv' ? pathOf(name) : name,
        isLogical: on === 'lv',
        start: extent,
        count: extentsEach(segment),
      }));
    case 'raid':
      return segment.images.map(({ data }) => ({ ...whole(data), count: extentsEach(segment) }));
    case 'thin-pool':
      return [whole(segment.data)];
    default:
      return [];
  }
}

/** Of each stripe or copy. */
function extentsEach(segment: Segment): number {
  return segment.kind === 'striped' ? segment.extentCount / segment.areas.length : segment.extentCount;
}

export const devicesOf = (row: Row): string[] => placesOf(row).map(({ name, start }) => `${name}(${start})`);

export function metadataDevicesOf({ segment }: Row): string[] {
  if (segment?.kind !== 'raid') return [];
  return segment.images.flatMap(({ metadata }) => (metadata === undefined ? [] : [`${metadata}(0)`]));
}

/** `hidden`: logical volumes stand in brackets. */
export const rangesOf = (row: Row, hidden: boolean): string[] =>
  placesOf(row).map(({ count, isLogical, name, start }) => {
    return `${hidden && isLogical ? `[${name}]` : name}:${start}-${start + count - 1}`;
  });
