import { allocatedRuns, freeRuns, isSnapshotRecord, type FoundGroup, type VolumeGroup } from '@ashlar/image/lvm';
import { areasOf, freeOfArea, least } from './area-facts.ts';
import { count, flag, listed, size, words, type Field } from './field.ts';
import type { Row } from './rows.ts';

export function freeExtents(group: VolumeGroup): number {
  const allocated = allocatedRuns(group);
  let free = 0;
  for (const volume of group.physicalVolumes)
    for (const run of freeRuns(volume, allocated.get(volume.key) ?? [])) free += run.count;
  return free;
}

export const totalExtents = ({ physicalVolumes }: VolumeGroup): number =>
  physicalVolumes.reduce((sum, { extentCount }) => sum + extentCount, 0);

/** Those that LVM counts: shown, and no snapshot's record. */
export const visibleCount = ({ logicalVolumes }: VolumeGroup): number =>
  logicalVolumes.filter(({ isVisible }) => isVisible).length;

const isPartial = ({ missing }: FoundGroup): boolean => missing.length > 0;

function groupAttributes(found: FoundGroup): string {
  const { allocation, lockType, status } = found.group;
  const letters: Readonly<Record<string, string>> = { contiguous: 'c', cling: 'l', normal: 'n', anywhere: 'a' };
  return [
    status.includes('WRITE') ? 'w' : 'r',
    status.includes('RESIZEABLE') ? 'z' : '-',
    status.includes('EXPORTED') ? 'x' : '-',
    isPartial(found) ? 'p' : '-',
    letters[allocation] ?? '-',
    status.includes('CLUSTERED') ? 'c' : lockType === 'sanlock' || lockType === 'dlm' ? 's' : '-',
  ].join('');
}

const has = (status: string) => (row: Row) => row.group?.group.status.includes(status) ?? false;

/** What LVM has written and nothing here minds. */
const kept = ({ group }: Row, name: string): string => {
  const found = group?.group.tree.get(name);
  return typeof found === 'string' ? found : '';
};

/** Of groups, by LVM's names. A physical volume of no group has nothing in them. */
export const groupFields: readonly Field[] = [
  words('vg_fmt', 'Fmt', ({ group }) => group && 'lvm2'),
  words('vg_uuid', 'VG UUID', ({ group }) => group?.group.id),
  words('vg_name', 'VG', ({ group }) => group?.group.name),
  words('vg_attr', 'Attr', ({ group }) => group && groupAttributes(group)),
  words('vg_permissions', 'VPerms', (row) => row.group && (has('WRITE')(row) ? 'writeable' : 'read-only')),
  flag('vg_extendable', 'Extendable', 'extendable', has('RESIZEABLE')),
  flag('vg_exported', 'Exported', 'exported', has('EXPORTED')),
  words('vg_autoactivation', 'AutoAct', ({ group }) => group && 'enabled'),
  flag('vg_partial', 'Partial', 'partial', ({ group }) => group !== undefined && isPartial(group)),
  words('vg_allocation_policy', 'AllocPol', ({ group }) => group?.group.allocation),
  flag('vg_clustered', 'Clustered', 'clustered', has('CLUSTERED')),
  flag('vg_shared', 'Shared', 'shared', ({ group }) => ['sanlock', 'dlm'].includes(group?.group.lockType ?? '')),
  size('vg_size', 'VSize', ({ group }) => group && totalExtents(group.group) * group.group.extentBytes),
  size('vg_free', 'VFree', ({ group }) => group && freeExtents(group.group) * group.group.extentBytes),
  words('vg_sysid', 'SYS ID', ({ group }) => group?.group.systemId),
  words('vg_systemid', 'System ID', ({ group }) => group?.group.systemId),
  words('vg_lock_type', 'LockType', ({ group }) => group?.group.lockType),
  words('vg_lock_args', 'VLockArgs', (row) => kept(row, 'lock_args')),
  size('vg_extent_size', 'Ext', ({ group }) => group?.group.extentBytes),
  count('vg_extent_count', '#Ext', ({ group }) => group && totalExtents(group.group)),
  count('vg_free_count', 'Free', ({ group }) => group && freeExtents(group.group)),
  count('max_lv', 'MaxLV', ({ group }) => group?.group.maxLogicalVolumes),
  count('max_pv', 'MaxPV', ({ group }) => group?.group.maxPhysicalVolumes),
  count('pv_count', '#PV', ({ group }) => group?.group.physicalVolumes.length),
  count('vg_missing_pv_count', '#PV Missing', ({ group }) => group?.missing.length),
  count('lv_count', '#LV', ({ group }) => group && visibleCount(group.group)),
  count('snap_count', '#SN', ({ group }) => {
    const volumes = group?.group.logicalVolumes;
    return volumes?.filter(isSnapshotRecord).length;
  }),
  count('vg_seqno', 'Seq', ({ group }) => group?.group.seqno),
  words('vg_tags', 'VG Tags', ({ group }) => group && listed(group.group.tags)),
  words('vg_profile', 'VProfile', (row) => kept(row, 'profile')),
  count('vg_mda_count', '#VMda', ({ group }) => group && areasOf(group).length),
  count('vg_mda_used_count', '#VMdaUse', ({ group }) => {
    return group && areasOf(group).filter(({ header }) => header?.isIgnored !== true).length;
  }),
  size('vg_mda_free', 'VMdaFree', ({ group }) => group && least(areasOf(group).map(freeOfArea))),
  size('vg_mda_size', 'VMdaSize', ({ group }) => group && least(areasOf(group).map(({ place }) => place.sizeBytes))),
  words('vg_mda_copies', '#VMdaCps', ({ group }) => group && (group.group.metadataCopies || 'unmanaged').toString()),
];
