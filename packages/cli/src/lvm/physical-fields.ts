import { allocatedRuns } from '@ashlar/image/lvm';
import { freeOfArea, least } from './area-facts.ts';
import { atRight, count, flag, listed, size, words, type Field } from './field.ts';
import { physicalName, type Row } from './rows.ts';

/** Of a physical volume: extents that are in use. */
export function usedExtents({ group, pv }: Row): number {
  if (group === undefined || pv === undefined) return 0;
  const runs = allocatedRuns(group.group).get(pv.key) ?? [];
  return runs.reduce((sum, run) => sum + run.count, 0);
}

export const extentBytesOf = ({ group }: Row): number => group?.group.extentBytes ?? 0;

/** What can be used of it: of one in no group all. */
function usableBytes(row: Row): number {
  const { physical, pv } = row;
  return pv === undefined ? (physical?.label.deviceBytes ?? 0) : pv.extentCount * extentBytesOf(row);
}

const usedBytes = (row: Row): number => usedExtents(row) * extentBytesOf(row);

const has = (status: string) => (row: Row) => row.pv?.status.includes(status) ?? false;

const isMissing = ({ physical }: Row): boolean => physical === undefined;

function attributes(row: Row): string {
  const isClaimed = row.pv === undefined && ((row.physical?.label.flags ?? 0) & 1) !== 0;
  return [
    has('ALLOCATABLE')(row) ? 'a' : row.pv !== undefined || isClaimed ? 'u' : '-',
    row.group?.group.status.includes('EXPORTED') === true ? 'x' : '-',
    isMissing(row) ? 'm' : '-',
  ].join('');
}

const areas = ({ physical }: Row) => physical?.areas ?? [];

/** Of physical volumes, by LVM's names. */
export const physicalFields: readonly Field[] = [
  words('pv_fmt', 'Fmt', () => 'lvm2'),
  words('pv_uuid', 'PV UUID', ({ physical, pv }) => pv?.id ?? physical?.label.id),
  size('dev_size', 'DevSize', ({ physical, pv }) => physical?.sizeBytes ?? pv?.deviceBytes),
  words('pv_name', 'PV', physicalName),
  size('pv_mda_free', 'PMdaFree', (row) => least(areas(row).map(freeOfArea))),
  size('pv_mda_size', 'PMdaSize', (row) => least(areas(row).map(({ place }) => place.sizeBytes))),
  count('pv_ext_vsn', 'PExtVsn', ({ physical }) => physical?.label.extensionVersion),
  size('pe_start', '1st PE', ({ physical, pv }) => pv?.startBytes ?? physical?.label.dataAreas[0]?.offset),
  size('pv_size', 'PSize', usableBytes),
  size('pv_free', 'PFree', (row) => usableBytes(row) - usedBytes(row)),
  size('pv_used', 'Used', usedBytes),
  words('pv_attr', 'Attr', attributes),
  flag('pv_allocatable', 'Allocatable', 'allocatable', has('ALLOCATABLE')),
  flag('pv_exported', 'Exported', 'exported', (row) => row.group?.group.status.includes('EXPORTED') ?? false),
  flag('pv_missing', 'Missing', 'missing', isMissing),
  count('pv_pe_count', 'PE', ({ pv }) => pv?.extentCount ?? 0),
  count('pv_pe_alloc_count', 'Alloc', usedExtents),
  words('pv_tags', 'PV Tags', ({ pv }) => listed(pv?.tags ?? [])),
  count('pv_mda_count', '#PMda', (row) => areas(row).length),
  count('pv_mda_used_count', '#PMdaUse', (row) => {
    return areas(row).filter(({ header }) => header?.isIgnored !== true && row.physical !== undefined).length;
  }),
  size('pv_ba_start', 'BA Start', ({ physical }) => physical?.label.bootAreas[0]?.offset ?? 0),
  size('pv_ba_size', 'BA Size', ({ physical }) => physical?.label.bootAreas[0]?.sizeBytes ?? 0),
  atRight(
    flag('pv_in_use', 'PInUse', 'used', ({ group, physical }) => {
      return group !== undefined || ((physical?.label.flags ?? 0) & 1) !== 0;
    }),
  ),
];
