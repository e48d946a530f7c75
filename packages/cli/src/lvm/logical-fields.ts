import { atRight, count, flag, inUse, listed, size, words, type Field } from './field.ts';
import { layoutOf, logicalAttributes, roleOf } from './logical-attributes.ts';
import { devicesOf, metadataDevicesOf, rangesOf } from './segment-places.ts';
import type { Row } from './rows.ts';

const first = ({ lv }: Row) => lv?.segments[0];

const isShown = ({ lv }: Row): boolean => lv?.isVisible ?? false;

/** In brackets where LVM keeps it to itself. */
const nameShown = (row: Row, name = row.lv?.name ?? ''): string => {
  const volume = row.relations?.volume(name);
  return volume?.isVisible === false ? `[${name}]` : name;
};

const isPool = (row: Row): boolean => first(row)?.kind === 'thin-pool';

function originOf(row: Row): string | undefined {
  const segment = first(row);
  if (segment?.kind === 'thin') return segment.origin ?? segment.externalOrigin;
  return row.relations?.of(row.lv?.name ?? '').snapshot?.origin;
}

const poolOf = (row: Row): string | undefined => {
  const segment = first(row);
  return segment?.kind === 'thin' ? segment.pool : undefined;
};

const doubled = (name: string): string => name.replaceAll('-', '--');

export function creationTime({ lv }: Row): string {
  if (lv?.created === undefined) return '';
  const date = new Date(lv.created * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

const bytesOf = (row: Row, name: string | undefined): number | undefined => {
  const volume = name === undefined ? undefined : row.relations?.volume(name);
  return volume && volume.extentCount * (row.group?.group.extentBytes ?? 0);
};

const groupName = ({ group }: Row): string => group?.group.name ?? '';

/** Of logical volumes, by LVM's names. */
export const logicalFields: readonly Field[] = [
  words('lv_uuid', 'LV UUID', ({ lv }) => lv?.id),
  { ...words('lv_name', 'LV', (row) => nameShown(row)), order: ({ lv }) => lv?.name ?? '' },
  words('lv_full_name', 'LV', (row) => `${groupName(row)}/${row.lv?.name}`),
  words('lv_path', 'Path', (row) => {
    return isShown(row) && !isPool(row) ? `/dev/${groupName(row)}/${row.lv?.name}` : '';
  }),
  words('lv_dm_path', 'DMPath', (row) => `/dev/mapper/${doubled(groupName(row))}-${doubled(row.lv?.name ?? '')}`),
  words('lv_parent', 'Parent', ({ lv, relations }) => relations?.of(lv?.name ?? '').parent?.volume.name),
  words('lv_layout', 'Layout', layoutOf),
  words('lv_role', 'Role', roleOf),
  words('lv_allocation_policy', 'AllocPol', ({ lv }) => lv?.allocation),
  flag('lv_fixed_minor', 'FixMin', 'fixed minor', ({ lv }) => lv?.status.includes('FIXED_MINOR') ?? false),
  flag('lv_skip_activation', 'SkipAct', 'skip activation', ({ lv }) => lv?.flags.includes('ACTIVATION_SKIP') ?? false),
  words('lv_when_full', 'WhenFull', (row) => {
    return isPool(row) ? (row.lv?.flags.includes('ERROR_WHEN_FULL') ? 'error' : 'queue') : '';
  }),
  atRight(words('lv_read_ahead', 'Rahead', ({ lv }) => lv && String(lv.readAhead))),
  size('lv_size', 'LSize', (row) => bytesOf(row, row.lv?.name)),
  size('lv_metadata_size', 'MSize', (row) => {
    const segment = first(row);
    return segment?.kind === 'thin-pool' ? bytesOf(row, segment.metadata) : undefined;
  }),
  count('seg_count', '#Seg', ({ lv }) => lv?.segments.length),
  words('origin', 'Origin', (row) => {
    const name = originOf(row);
    return name === undefined ? '' : nameShown(row, name);
  }),
  words('origin_uuid', 'Origin UUID', (row) => row.relations?.volume(originOf(row) ?? '')?.id),
  size('origin_size', 'OSize', (row) => {
    const relation = row.relations?.of(row.lv?.name ?? '');
    if (relation?.snapshot !== undefined) return bytesOf(row, relation.snapshot.origin);
    return relation?.thickSnapshots.length ? bytesOf(row, row.lv?.name) : undefined;
  }),
  words('mirror_log', 'Log', (row) => {
    const segment = first(row);
    return segment?.kind === 'mirror' && segment.log !== undefined ? nameShown(row, segment.log) : '';
  }),
  words('data_lv', 'Data', (row) => {
    const segment = first(row);
    return segment?.kind === 'thin-pool' ? nameShown(row, segment.data) : '';
  }),
  words('metadata_lv', 'Meta', (row) => {
    const segment = first(row);
    return segment?.kind === 'thin-pool' ? nameShown(row, segment.metadata) : '';
  }),
  words('pool_lv', 'Pool', poolOf),
  words('pool_lv_uuid', 'Pool UUID', (row) => row.relations?.volume(poolOf(row) ?? '')?.id),
  words('lv_tags', 'LV Tags', ({ lv }) => listed(lv?.tags ?? [])),
  words('lv_time', 'CTime', creationTime),
  words('lv_host', 'Host', ({ lv }) => lv?.creationHost),
  words('move_pv', 'Move', () => ''),
  words('convert_lv', 'Convert', () => ''),
  inUse('data_percent', 'Data%'),
  inUse('snap_percent', 'Snap%'),
  inUse('metadata_percent', 'Meta%'),
  inUse('copy_percent', 'Cpy%Sync'),
  inUse('sync_percent', 'Cpy%Sync'),
  words('lv_attr', 'Attr', logicalAttributes),
];

const segmentStripes = ({ segment }: Row): number => {
  if (segment?.kind === 'striped' || segment?.kind === 'mirror') return segment.areas.length;
  if (segment?.kind === 'raid') return segment.images.length;
  return segment?.kind === 'thin-pool' ? 1 : 0;
};

function chunkBytes({ lv, relations, segment }: Row): number {
  if (segment?.kind === 'thin-pool') return segment.chunkBytes;
  return relations?.of(lv?.name ?? '').snapshot?.chunkBytes ?? 0;
}

/** Of segments of logical volumes: with one of them a report has a line for each segment. */
export const segmentFields: readonly Field[] = [
  words('segtype', 'Type', ({ segment }) => segment?.type),
  count('stripes', '#Str', segmentStripes),
  size('stripe_size', 'Stripe', ({ segment }) => {
    return segment?.kind === 'striped' || segment?.kind === 'raid' ? segment.stripeBytes : 0;
  }),
  size('region_size', 'Region', ({ segment }) => {
    return segment?.kind === 'mirror' || segment?.kind === 'raid' ? segment.regionBytes : 0;
  }),
  size('chunk_size', 'Chunk', chunkBytes),
  count('transaction_id', 'TransId', ({ segment }) => {
    return segment?.kind === 'thin' || segment?.kind === 'thin-pool' ? segment.transactionId : undefined;
  }),
  count('thin_id', 'ThId', ({ segment }) => (segment?.kind === 'thin' ? segment.deviceId : undefined)),
  size('seg_start', 'Start', ({ group, segment }) => {
    return segment && segment.startExtent * (group?.group.extentBytes ?? 0);
  }),
  count('seg_start_pe', 'Start', ({ segment }) => segment?.startExtent),
  size('seg_size', 'SSize', ({ group, segment }) => segment && segment.extentCount * (group?.group.extentBytes ?? 0)),
  count('seg_size_pe', 'SSize', ({ segment }) => segment?.extentCount),
  words('seg_tags', 'Seg Tags', ({ segment }) => listed(segment?.tags ?? [])),
  words('seg_pe_ranges', 'PE Ranges', (row) => rangesOf(row, false).join(' ')),
  words('seg_le_ranges', 'LE Ranges', (row) => rangesOf(row, true).join(',')),
  words('devices', 'Devices', (row) => devicesOf(row).join(',')),
  words('metadata_devices', 'Metadata Devs', (row) => metadataDevicesOf(row).join(',')),
];
