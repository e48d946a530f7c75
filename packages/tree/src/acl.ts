import { AshlarError, mostAclEntries, type Acl, type AclEntry, type AclTag } from '@ashlar/core';

/** What of a file's lists its mode does not say. */
export type KeptAcls = {
  /** Users, the owning group and groups; empty: the mode says all. What owner, mask and others have is in the mode. */
  readonly access: Acl;
  readonly inherited: Acl;
};

/** A list, parted into what the mode says and what is kept beside it. */
export type PartedAcl = { readonly mode: number; readonly access: Acl };

/** In the order in which a list has them. */
export const aclTags: readonly AclTag[] = ['owner', 'user', 'owning-group', 'group', 'mask', 'others'];

const allBits = 0o7;
const permissionBits = 0o777;
const mostId = 0xffff_fffe;
/** Where in a mode the permissions of an entry are. */
const shiftOf = { owner: 6, 'owning-group': 3, mask: 3, others: 0 } as const;

const isNamed = (tag: AclTag): tag is 'user' | 'group' => tag === 'user' || tag === 'group';
const isInMode = (tag: AclTag): boolean => tag === 'owner' || tag === 'mask' || tag === 'others';

const invalid = (what: string): AshlarError => new AshlarError('invalid', `an access control list ${what}`);

/** In their order. Throws `invalid` for what is no list: one has each of owner, owning group and others once, a user or group at most once, and a mask where it has one of these. */
export function checkedAcl(entries: Acl): Acl {
  if (entries.length > mostAclEntries) throw invalid(`has at most ${mostAclEntries} entries`);
  const sorted = entries.toSorted(
    (one, other) => aclTags.indexOf(one.tag) - aclTags.indexOf(other.tag) || one.id - other.id,
  );
  for (const [at, { id, permissions, tag }] of sorted.entries()) {
    if ((permissions & ~allBits) !== 0) throw invalid(`gives ${permissions}, which is more than there is to give`);
    if (isNamed(tag) ? id < 0 || id > mostId : id !== 0) throw invalid(`is for nobody: ${tag} ${id}`);
    const next = sorted[at + 1];
    if (next?.tag === tag && next.id === id) throw invalid(`has two entries for one: ${tag} ${id}`);
  }
  const has = (...tags: readonly AclTag[]): boolean => tags.every((tag) => sorted.some((each) => each.tag === tag));
  if (!has('owner', 'owning-group', 'others')) throw invalid('says what owner, group and others may');
  if (!has('mask') && sorted.some(({ tag }) => isNamed(tag))) throw invalid('with users or groups has a mask');
  return sorted;
}

/** A list as a file has it, from its mode and what is kept. */
export function wholeAcl({ access, mode }: PartedAcl): Acl {
  const said = (tag: keyof typeof shiftOf): AclEntry => ({
    tag,
    id: 0,
    permissions: (mode >>> shiftOf[tag]) & allBits,
  });
  if (access.length === 0) return [said('owner'), said('owning-group'), said('others')];
  const users = access.filter(({ tag }) => tag === 'user');
  const groups = access.filter(({ tag }) => tag !== 'user');
  return [said('owner'), ...users, ...groups, said('mask'), said('others')];
}

const permissionsOf = (acl: Acl, tag: AclTag): number | undefined => acl.find((each) => each.tag === tag)?.permissions;

/** The same in parts, of a list that was checked; the other bits of the mode stay. */
export function partedAcl(acl: Acl, mode: number): PartedAcl {
  const mask = permissionsOf(acl, 'mask');
  const group = mask ?? permissionsOf(acl, 'owning-group')!;
  const bits = (permissionsOf(acl, 'owner')! << 6) | (group << 3) | permissionsOf(acl, 'others')!;
  return {
    mode: (mode & ~permissionBits) | bits,
    access: mask === undefined ? [] : acl.filter(({ tag }) => !isInMode(tag)),
  };
}

/** What a file is made with in a directory whose list is inherited: of that what the mode has as well, which its maker asked for (acl(5), object creation and default ACLs). */
export function inheritedAcl(inherited: Acl, mode: number): PartedAcl {
  const { access, mode: most } = partedAcl(inherited, mode);
  return { mode: mode & (most | ~permissionBits), access };
}

/** Nothing where there is nothing to keep. */
export const keptAcls = (access: Acl, inherited: Acl): KeptAcls | undefined =>
  access.length === 0 && inherited.length === 0 ? undefined : { access, inherited };
