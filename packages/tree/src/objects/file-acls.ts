import {
  andThen,
  type ChangeRequest,
  type FileAcls,
  type FileAttributes,
  type FileChange,
  type FileHandle,
  type NewFileAcls,
  type Settled,
} from '@ashlar/core';
import { checkedAcl, keptAcls, partedAcl, wholeAcl } from '../acl.ts';
import { checkNewAcls } from '../permissions.ts';
import { attributesOf, stateOf } from './attributes.ts';
import { Batch, commitBatch, inodeOf, type ReadState, type TreeState } from './tree-state.ts';

export type FoundAcls = FileAcls & { readonly attributes: FileAttributes };

export function getAcls(state: Pick<ReadState, 'inodes'>, file: FileHandle): Settled<FoundAcls> {
  return andThen(inodeOf(state, file), (inode) => ({
    access: wholeAcl({ mode: inode.mode, access: inode.acls?.access ?? [] }),
    inherited: inode.acls?.inherited ?? [],
    attributes: attributesOf(inode),
  }));
}

/** Sets lists, and of the mode what they say. */
export function setAcls(
  state: TreeState,
  file: FileHandle,
  acls: NewFileAcls,
  { receipt, who }: ChangeRequest<FileChange>,
): Settled<FileChange> {
  return andThen(inodeOf(state, file), (inode) => {
    const before = inode.acls ?? { access: [], inherited: [] };
    const { access, mode } = parted(acls.access, { mode: inode.mode, access: before.access });
    const after = {
      ...inode,
      mode: checkNewAcls(inode, acls, mode, who),
      acls: keptAcls(access, inheritedOf(acls.inherited) ?? before.inherited),
      changed: state.clock.now(inode.changed),
    };
    const batch = new Batch();
    batch.put(after);
    const result: FileChange = { before: stateOf(inode), after: attributesOf(after) };
    batch.receipt(receipt, result);
    return andThen(commitBatch(state, batch), () => result);
  });
}

type Parted = ReturnType<typeof partedAcl>;

function parted(acl: NewFileAcls['access'], before: Parted): Parted {
  if (acl === undefined) return before;
  return acl.length === 0 ? { ...before, access: [] } : partedAcl(checkedAcl(acl), before.mode);
}

const inheritedOf = (acl: NewFileAcls['inherited']): NewFileAcls['inherited'] =>
  acl === undefined || acl.length === 0 ? acl : checkedAcl(acl);
