import { array, struct, u32, xdrVoid, type ValueOf } from '@ashlar/wire';
import type { Procedure } from './procedures.ts';
import { attributesAfter, handle } from './types.ts';

/** Access control lists beside NFS version 3, which no document has: as Solaris made it, and Linux has it (include/uapi/linux/nfsacl.h). */
export const nfsAclProgram = 100_227;
export const nfsAclVersion = 3;

/** What is asked for, or set: entries of a file's own list, and of the one that is inherited from a directory; the counts are how many there are of each. */
export const aclBit = { access: 1, accessCount: 2, inherited: 4, inheritedCount: 8 } as const;

/** Whom an entry is for, in the order in which a list has them. */
export const aclType = { owner: 1, user: 2, owningGroup: 4, group: 8, mask: 16, others: 32 } as const;
/** Added to the type of each entry that is inherited. */
export const inheritedType = 0x1000;

/** Of one list. */
export const mostNfsAclEntries = 1024;

const entry = struct({ type: u32, id: u32, permissions: u32 });
export type NfsAclEntry = ValueOf<typeof entry>;

const entries = array(entry, mostNfsAclEntries);

/** The counts are told without the entries as well. */
const lists = struct({ accessCount: u32, access: entries, inheritedCount: u32, inherited: entries });
export type NfsAcls = ValueOf<typeof lists>;

const after = struct({ after: attributesAfter });

const procedure = <A, S>(
  number: number,
  name: string,
  args: Procedure<A, S, unknown>['args'],
  ok: Procedure<A, S, unknown>['ok'],
): Procedure<A, S, ValueOf<typeof after>> => ({ number, name, args, ok, fail: after });

export const nfsAclProcedures = {
  null: { number: 0, name: 'NULL', args: xdrVoid, ok: xdrVoid, fail: xdrVoid },
  get: procedure(
    1,
    'GETACL',
    struct({ handle, mask: u32 }),
    struct({ after: attributesAfter, mask: u32, acls: lists }),
  ),
  set: procedure(2, 'SETACL', struct({ handle, mask: u32, acls: lists }), after),
} as const;
