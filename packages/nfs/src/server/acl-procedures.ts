import { andThen, AshlarError, type FileChange, type NewFileAcls, type TreeAcls } from '@ashlar/core';
import { aclBit, inheritedType, nfsAclProcedures, type NfsAcls } from '../codec/nfs-acl.ts';
import { Call, durably, on, type Target } from './call.ts';
import { aclIn, nfsAclOf } from './convert-acls.ts';
import { handler, keeping, type Handler } from './handler.ts';
import type { Procedures } from './programs.ts';
import type { RepeatedCalls } from './repeated-calls.ts';
import { resultsAnswer } from './rpc-session.ts';

const knownBits = aclBit.access | aclBit.accessCount | aclBit.inherited | aclBit.inheritedCount;

/** Throws `unsupported` where a tree has none, and where its export hides them. */
function aclsOf({ exported, tree }: Target): TreeAcls {
  if (tree.acls !== undefined && exported.acls) return tree.acls;
  throw new AshlarError('unsupported', `'${exported.path}' is exported without access control lists`);
}

function checkMask(mask: number): void {
  if ((mask & ~knownBits) !== 0) throw new AshlarError('invalid', `${mask} asks for more than there is of lists`);
}

const getAcl = handler(nfsAclProcedures.get, {
  run: (call, { handle, mask }) => {
    const target = call.target(handle);
    const acls = aclsOf(target);
    checkMask(mask);
    return andThen(acls.get(target.file), ({ access, attributes, inherited }) => {
      const own = nfsAclOf(access, attributes, 0);
      const below = nfsAclOf(inherited, attributes, inheritedType);
      const asked = (bits: number): boolean => (mask & bits) !== 0;
      return {
        after: on(target, attributes),
        mask,
        acls: {
          accessCount: asked(aclBit.access | aclBit.accessCount) ? own.length : 0,
          access: asked(aclBit.access) ? own : [],
          inheritedCount: asked(aclBit.inherited | aclBit.inheritedCount) ? below.length : 0,
          inherited: asked(aclBit.inherited) ? below : [],
        },
      };
    });
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

/** What is not in the mask stays. Throws `invalid` where there are not as many entries as is said. */
function newAcls(mask: number, { access, accessCount, inherited, inheritedCount }: NfsAcls): NewFileAcls {
  checkMask(mask);
  const hasAccess = (mask & aclBit.access) !== 0;
  const hasInherited = (mask & aclBit.inherited) !== 0;
  if ((hasAccess && accessCount !== access.length) || (hasInherited && inheritedCount !== inherited.length)) {
    throw new AshlarError('invalid', 'an access control list has other entries than it says');
  }
  return {
    access: hasAccess ? aclIn(access) : undefined,
    inherited: hasInherited ? aclIn(inherited) : undefined,
  };
}

const setAcl = handler(nfsAclProcedures.set, {
  run: (call, { acls, handle, mask }) => {
    const target = call.changing(handle);
    const tree = aclsOf(target);
    const { receipt, tell } = keeping(call, nfsAclProcedures.set, ({ after }: FileChange) => ({
      after: after === undefined ? undefined : on(target, after),
    }));
    const set = tree.set(target.file, newAcls(mask, acls), { who: target.who, receipt });
    return andThen(durably(target, set), tell);
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

/** Calls that may come again are told apart from those of NFS by their numbers. */
const repeatedNumber = 32;

/** NFSACL version 3, for one connection or many. */
export function aclProcedures(calls: RepeatedCalls): Procedures {
  const handlers: ReadonlyMap<number, Handler> = new Map([getAcl, setAcl].map((each) => [each.number, each]));
  return (procedure, served, caller) => {
    const found = handlers.get(procedure);
    if (found === undefined) return undefined;
    if (procedure === nfsAclProcedures.set.number) {
      return calls.once(found, repeatedNumber + procedure, served, caller);
    }
    const call = new Call(calls.service, caller.peer, caller.sys);
    return andThen(found.serve(call, served.reader), resultsAnswer);
  };
}
