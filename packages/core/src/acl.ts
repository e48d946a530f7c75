/** Whom an entry is for: the file's owner, a user, the group that the file belongs to, a group, and everybody else; `mask`: the most that all but owner and others have. */
export type AclTag = 'owner' | 'user' | 'owning-group' | 'group' | 'mask' | 'others';

export type AclEntry = {
  readonly tag: AclTag;
  /** Of a user or a group; 0 of the rest. */
  readonly id: number;
  /** Read 4, write 2, execute 1. */
  readonly permissions: number;
};

/** An access control list (POSIX.1e, draft 17): in the order of the tags above, users and groups by their numbers. */
export type Acl = readonly AclEntry[];

/** Of one list. */
export const mostAclEntries = 1024;

export type FileAcls = {
  /** Who may do what: at least the three entries that a mode says. */
  readonly access: Acl;
  /** Of a directory: what is made in it begins with that (its default ACL). Empty: with what its maker says. */
  readonly inherited: Acl;
};

/** What is to be set; the rest stays. An empty list is removed: the mode stays as it is. In any order, and `invalid` where they are none. */
export type NewFileAcls = { readonly [K in keyof FileAcls]?: FileAcls[K] | undefined };
