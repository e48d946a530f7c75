import { AshlarError, type Acl, type AclEntry, type AclTag, type FileAttributes } from '@ashlar/core';
import { aclType, inheritedType, type NfsAclEntry } from '../codec/nfs-acl.ts';

const types: Readonly<Record<AclTag, number>> = {
  owner: aclType.owner,
  user: aclType.user,
  'owning-group': aclType.owningGroup,
  group: aclType.group,
  mask: aclType.mask,
  others: aclType.others,
};
const tags = new Map((Object.keys(types) as AclTag[]).map((tag) => [types[tag], tag] as const));

const allPermissions = 7;
/** Of a list that says what a mode says, and a mask, which such a list on the wire always has. */
const shortEntries = 4;

/** A list as clients have it: with the numbers of the file's owner and group, and a mask that is the group's where it has none. `flag`: of the types of all entries. */
export function nfsAclOf(acl: Acl, { gid, uid }: Pick<FileAttributes, 'uid' | 'gid'>, flag: number): NfsAclEntry[] {
  const entries = acl.map(({ id, permissions, tag }) => ({
    type: types[tag] | flag,
    id: tag === 'owner' ? uid : tag === 'owning-group' ? gid : id,
    permissions,
  }));
  const group = acl.findIndex(({ tag }) => tag === 'owning-group');
  if (group < 0 || acl.some(({ tag }) => tag === 'mask')) return entries;
  const mask = { type: types.mask | flag, id: 0, permissions: acl[group]!.permissions };
  return [...entries.slice(0, group + 1), mask, ...entries.slice(group + 1)];
}

/** The same the other way. Throws `invalid` for entries that there are none of. */
export function aclIn(entries: readonly NfsAclEntry[]): Acl {
  const acl = entries.map(({ id, permissions, type }): AclEntry => {
    const tag = tags.get(type & ~inheritedType);
    if (tag === undefined) throw new AshlarError('invalid', `an access control list has an entry of the type ${type}`);
    return {
      tag,
      id: tag === 'user' || tag === 'group' ? id : 0,
      // Solaris sets more bits of a mask.
      permissions: tag === 'mask' ? permissions & allPermissions : permissions,
    };
  });
  return isShort(acl) ? acl.filter(({ tag }) => tag !== 'mask') : acl;
}

function isShort(acl: Acl): boolean {
  const group = acl.find(({ tag }) => tag === 'owning-group');
  const mask = acl.find(({ tag }) => tag === 'mask');
  return acl.length === shortEntries && mask !== undefined && mask.permissions === group?.permissions;
}
