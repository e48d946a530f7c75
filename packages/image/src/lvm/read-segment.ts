import { isPowerOfTwo, type AshlarError } from '@ashlar/core';
import { Fields } from './fields.ts';
import { bytesOfSectors, type Area, type RaidSegment, type Segment } from './group.ts';
import type { Section } from './text/tree.ts';

/** What names in a segment may mean. */
export type Names = { readonly physical: ReadonlySet<string>; readonly logical: ReadonlySet<string> };

/** A segment, and names of what in it is not known. */
export type ReadSegment = { readonly segment: Segment; readonly unknown: readonly string[] };

/** Settings that are kept as they are, and change nothing about where anything lies. */
const kept = ['writebehind', 'min_recovery_rate', 'max_recovery_rate', 'crop_metadata'];

type Place = Pick<Segment, 'startExtent' | 'extentCount' | 'tags'> & { readonly type: string };

/** Throws `corrupt`. */
export function readSegment(section: Section, where: string, names: Names): ReadSegment {
  const fields = new Fields(section, where);
  const place = {
    startExtent: fields.number('start_extent'),
    extentCount: fields.number('extent_count'),
    tags: fields.strings('tags'),
    type: fields.string('type'),
  };
  if (place.extentCount === 0) throw fields.fault('a segment is of no extents');
  const segment = ofType(fields, place, names);
  const unknown = segment.kind === 'unknown' ? [`segments of the type ${place.type}`] : fields.unknown(kept);
  return { segment, unknown };
}

function ofType(fields: Fields, place: Place, names: Names): Segment {
  const { type } = place;
  // A segment's type may have flags behind a plus.
  if (type === 'striped' || type === 'linear') return striped(fields, place, names);
  if (type === 'mirror') return mirror(fields, place, names);
  if (/^raid\d+(_\w+)?$/.test(type)) return raid(fields, place, names);
  if (type === 'thin-pool') return thinPool(fields, place, names);
  if (type === 'thin') return thin(fields, place, names);
  if (type === 'snapshot') return snapshot(fields, place, names);
  return { ...place, kind: type === 'zero' || type === 'error' ? type : 'unknown' };
}

function striped(fields: Fields, place: Place, names: Names): Segment {
  const count = fields.number('stripe_count');
  const areas = areasOf(fields, 'stripes', names);
  const stripeBytes = bytesOfSectors(count > 1 ? fields.number('stripe_size') : fields.number('stripe_size', 0));
  if (areas.length !== count || count === 0) throw fields.fault('it has another number of stripes than it says');
  if (place.extentCount % count !== 0) throw fields.fault('its extents cannot be shared out to its stripes');
  if (count > 1 && (stripeBytes < 4096 || !isPowerOfTwo(stripeBytes))) throw fields.fault('its stripes have no size');
  return { ...place, kind: 'striped', stripeBytes, areas, type: count === 1 ? 'linear' : 'striped' };
}

function mirror(fields: Fields, place: Place, names: Names): Segment {
  const count = fields.number('mirror_count');
  const areas = areasOf(fields, 'mirrors', names);
  if (areas.length !== count || count === 0) throw fields.fault('it has another number of copies than it says');
  fields.number('extents_moved', 0);
  const log = logical(fields, fields.optional('mirror_log'), names);
  return { ...place, kind: 'mirror', areas, log, regionBytes: bytesOfSectors(fields.number('region_size', 0)) };
}

function raid(fields: Fields, place: Place, names: Names): Segment {
  const count = fields.number('device_count', 0) || fields.number('stripe_count', 0);
  const listed = fields.strings('raids');
  for (const name of listed) logical(fields, name, names);
  const hasMetadata = listed.length === 2 * count;
  if (count === 0 || (!hasMetadata && listed.length !== count)) {
    throw fields.fault('it has another number of copies than it says');
  }
  const images: RaidSegment['images'][number][] = [];
  for (let at = 0; at < count; at += 1) {
    if (hasMetadata) images.push({ metadata: listed[2 * at]!, data: listed[2 * at + 1]! });
    else images.push({ metadata: undefined, data: listed[at]! });
  }
  const regionBytes = bytesOfSectors(fields.number('region_size', 0));
  const stripeBytes = bytesOfSectors(fields.number('stripe_size', 0));
  return { ...place, kind: 'raid', images, regionBytes, stripeBytes };
}

function thinPool(fields: Fields, place: Place, names: Names): Segment {
  const chunkBytes = bytesOfSectors(fields.number('chunk_size'));
  if (chunkBytes < 65_536) throw fields.fault('its chunks are too small');
  return {
    ...place,
    kind: 'thin-pool',
    metadata: logical(fields, fields.string('metadata'), names)!,
    data: logical(fields, fields.string('pool'), names)!,
    chunkBytes,
    transactionId: fields.number('transaction_id', 0),
    discards: fields.string('discards', 'passdown'),
    zeroesNew: fields.number('zero_new_blocks', 0) !== 0,
  };
}

function thin(fields: Fields, place: Place, names: Names): Segment {
  return {
    ...place,
    kind: 'thin',
    pool: logical(fields, fields.string('thin_pool'), names)!,
    deviceId: fields.number('device_id'),
    transactionId: fields.number('transaction_id', 0),
    origin: logical(fields, fields.optional('origin'), names),
    externalOrigin: logical(fields, fields.optional('external_origin'), names),
  };
}

function snapshot(fields: Fields, place: Place, names: Names): Segment {
  const chunkBytes = bytesOfSectors(fields.number('chunk_size'));
  if (chunkBytes < 4096 || !isPowerOfTwo(chunkBytes)) throw fields.fault('its chunks have no size');
  const store = logical(fields, fields.optional('cow_store'), names);
  const merging = logical(fields, fields.optional('merging_store'), names);
  const origin = logical(fields, fields.string('origin'), names)!;
  const found = store ?? merging;
  if (found === undefined) throw fields.fault('the snapshot has no store');
  return { ...place, kind: 'snapshot', chunkBytes, origin, store: found, isMerging: store === undefined };
}

/** A name that must be of a logical volume, where there is one. */
function logical(fields: Fields, name: string | undefined, names: Names): string | undefined {
  if (name === undefined || names.logical.has(name)) return name;
  throw fields.fault(`it names '${name}', which is not there`);
}

/** Names and extents, in turn. */
function areasOf(fields: Fields, name: string, names: Names): Area[] {
  const listed = fields.list(name);
  const areas: Area[] = [];
  for (let at = 0; at < listed.length; at += 2) {
    const [where, extent] = listed.slice(at, at + 2);
    if (typeof where !== 'string' || typeof extent !== 'number' || extent < 0) throw areaFault(fields, name);
    const on = names.physical.has(where) ? 'pv' : 'lv';
    if (on === 'lv') logical(fields, where, names);
    areas.push({ on, name: where, extent });
  }
  return areas;
}

const areaFault = (fields: Fields, name: string): AshlarError =>
  fields.fault(`'${name}' is not a list of names and extents`);
