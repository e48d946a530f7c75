import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type FileChange,
  type FileHandle,
  type FileTime,
  type NewFileAttributes,
  type Settled,
} from '@ashlar/core';
import { checkNewAttributes } from '../permissions.ts';
import { attributesOf, newTime, stateOf } from './attributes.ts';
import { handleIn } from './handles.ts';
import { resized } from './resize.ts';
import { together } from './together.ts';
import { Batch, commitBatch, inodeOf, type TreeState } from './tree-state.ts';

export function setAttributes(
  state: TreeState,
  file: FileHandle,
  attributes: NewFileAttributes,
  guard: FileTime | undefined,
  request: ChangeRequest<FileChange>,
): Settled<FileChange> {
  const set = (): Settled<FileChange> => setNow(state, file, attributes, guard, request);
  return attributes.sizeBytes === undefined ? set() : state.gates.alone(handleIn(file).inode, set);
}

function setNow(
  state: TreeState,
  file: FileHandle,
  attributes: NewFileAttributes,
  guard: FileTime | undefined,
  { receipt, who }: ChangeRequest<FileChange>,
): Settled<FileChange> {
  return andThen(inodeOf(state, file), (inode) => {
    const { changed } = inode;
    if (guard !== undefined && (guard.seconds !== changed.seconds || guard.nanoseconds !== changed.nanoseconds)) {
      throw new AshlarError('out-of-sync', 'the file was changed since its attributes were looked at');
    }
    const owned = checkNewAttributes(inode, attributes, who);
    const { sizeBytes } = attributes;
    const { inode: sized, trimmed } =
      sizeBytes === undefined ? { inode, trimmed: undefined } : resized(state, inode, sizeBytes, who);
    const now = state.clock.now(sized.changed);
    const after = {
      ...sized,
      ...owned,
      accessed: newTime(attributes.accessed, sized.accessed, now),
      modified: newTime(attributes.modified, sized.modified, now),
      changed: now,
    };
    const batch = new Batch();
    batch.givesBack = after.sizeBytes < inode.sizeBytes;
    batch.put(after);
    const result: FileChange = { before: stateOf(inode), after: attributesOf(after) };
    batch.receipt(receipt, result);
    return andThen(together([() => trimmed, () => commitBatch(state, batch)]), () => result);
  });
}
