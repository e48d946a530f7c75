import type { Row } from './rows.ts';
import { metadataDevicesOf, placesOf, type Place } from './segment-places.ts';

const range = (start: number, count: number): string => `${start} to ${start + count - 1}`;

function placeLines({ count, isLogical, name, start }: Place, indent: string): string[] {
  const [what, of] = isLogical ? ['Logical volume', 'Logical extents'] : ['Physical volume', 'Physical extents'];
  return [`${indent}${what}\t${name}`, `${indent}${of}\t${range(start, count)}`];
}

/** A segment as `lvdisplay -m` shows it. */
export function segmentLines(row: Row, size: (bytes: number) => string): string[] {
  const { segment } = row;
  if (segment === undefined) return [];
  return [
    `${segment.kind === 'thin' ? 'Virtual' : 'Logical'} extents ${range(segment.startExtent, segment.extentCount)}:`,
    `  Type\t\t${segment.type}`,
    ...detailLines(row, size),
    ' ',
  ];
}

function detailLines(row: Row, size: (bytes: number) => string): string[] {
  const { segment } = row;
  const places = placesOf(row);
  switch (segment?.kind) {
    case 'striped':
      if (places.length === 1) return places.flatMap((place) => placeLines(place, '  '));
      return [
        `  Stripes\t\t${places.length}`,
        `  Stripe size\t\t${size(segment.stripeBytes)}`,
        ...places.flatMap((place, at) => [`  Stripe ${at}:`, ...placeLines(place, '    ')]),
      ];
    case 'mirror':
      return [
        '  Monitoring\t\t',
        `  Mirrors\t\t${places.length}`,
        `  Mirror size\t\t${segment.extentCount}`,
        ...(segment.log === undefined ? [] : [`  Mirror log volume\t${segment.log}`]),
        `  Mirror region size\t${size(segment.regionBytes)}`,
        ...places.flatMap((place, at) => [
          ...(at === 0 ? ['  Mirror original:'] : at === 1 ? ['  Mirror destinations:'] : []),
          ...placeLines(place, '    '),
        ]),
      ];
    case 'raid':
      return [
        '  Monitoring\t\t',
        ...places.flatMap((place, at) => [`  Raid Data LV ${at}`, ...placeLines(place, '    ')]),
        ...metadataDevicesOf(row).map((name, at) => `  Raid Metadata LV ${at}\t${name.replace(/\(0\)$/, '')}`),
      ];
    case 'thin':
      return [`  Device ID\t\t${segment.deviceId}`];
    case 'thin-pool':
      return [
        '  Monitoring\t\t',
        `  Chunk size\t\t${size(segment.chunkBytes)}`,
        `  Discards\t\t${segment.discards}`,
        `  Thin count\t\t${thinCount(row)}`,
        `  Transaction ID\t${segment.transactionId}`,
        `  Zero new blocks\t${segment.zeroesNew ? 'yes' : 'no'}`,
      ];
    default:
      return places.flatMap((place) => placeLines(place, '  '));
  }
}

/** How many volumes a pool has. */
function thinCount({ group, lv }: Row): number {
  const volumes = group?.group.logicalVolumes ?? [];
  return volumes.filter(({ segments: [first] }) => first?.kind === 'thin' && first.pool === lv?.name).length;
}
