import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type FileChange,
  type FileHandle,
  type LinkedFile,
  type RenamedFile,
  type Settled,
} from '@ashlar/core';
import { checkMake, checkMove, checkSearch, checkTake } from '../permissions.ts';
import { attributesOf, stateOf } from './attributes.ts';
import { emptySlot, fillSlot, isSameRecord, notFound, slotOf, within, type Slot } from './directory.ts';
import { encodeInode, type Inode } from './inode.ts';
import { orphanKey } from './keys.ts';
import { mostLinks } from './make.ts';
import { isDot, isDotDot } from '../names.ts';
import { Batch, commitBatch, directoryOf, inodeOf, type TreeState } from './tree-state.ts';

/** A result that is true once what was asked for is committed. */
type Issued<T> = { readonly result: T; readonly committed: Settled<void> };

const whenCommitted = <T>(issue: Settled<Issued<T>>): Settled<T> =>
  andThen(issue, ({ committed, result }) => andThen(committed, () => result));

/** The file that a name is of. */
function namedBy(state: TreeState, { entry }: Slot): Settled<Inode> {
  if (entry === undefined) throw notFound();
  return andThen(state.inodes.find(entry.inode), (inode) => {
    if (inode === undefined) throw new AshlarError('corrupt', 'a name is of a file that is not there');
    return inode;
  });
}

/** Takes a name from a file, and the file away with its last one. */
export function removeName(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  isDirectory: boolean,
  { receipt, who }: ChangeRequest<FileChange>,
): Settled<FileChange> {
  return whenCommitted(
    state.turns.run(() =>
      andThen(directoryOf(state, directory), (parent) => {
        checkSearch(parent, who);
        refuseDots(name, isDirectory);
        return andThen(slotOf(state, parent, name), (slot) =>
          andThen(namedBy(state, slot), (inode) => {
            checkTake(parent, inode, who);
            checkKind(inode, isDirectory);
            const batch = new Batch();
            batch.givesBack = true;
            emptySlot(batch, slot);
            const after = withoutName(state, parent, isDirectory);
            batch.put(after);
            dropName(state, batch, inode);
            const result: FileChange = { before: stateOf(parent), after: attributesOf(after) };
            batch.receipt(receipt, result);
            return { result, committed: commitBatch(state, batch) };
          }),
        );
      }),
    ),
  );
}

function refuseDots(name: Uint8Array, isDirectory: boolean): void {
  if (isDot(name)) throw new AshlarError(isDirectory ? 'invalid' : 'is-directory', 'the name is the directory’s own');
  if (isDotDot(name))
    throw new AshlarError(isDirectory ? 'not-empty' : 'is-directory', 'the name is that of what the directory is in');
}

function checkKind({ entries, type }: Inode, isDirectory: boolean): void {
  if (isDirectory && type !== 'directory') throw new AshlarError('not-directory', 'the file is no directory');
  if (!isDirectory && type === 'directory') throw new AshlarError('is-directory', 'the file is a directory');
  if (isDirectory && entries > 0) throw new AshlarError('not-empty', 'there are files in the directory');
}

/** A directory with a name less. */
function withoutName(state: TreeState, parent: Inode, wasDirectory: boolean): Inode {
  const now = state.clock.now(parent.changed);
  const { entries, links } = parent;
  return { ...parent, entries: entries - 1, links: links - (wasDirectory ? 1 : 0), modified: now, changed: now };
}

function withName(state: TreeState, parent: Inode, isDirectory: boolean): Inode {
  const now = state.clock.now(parent.changed);
  const { entries, links } = parent;
  return { ...parent, entries: entries + 1, links: links + (isDirectory ? 1 : 0), modified: now, changed: now };
}

/** A name was taken from a file: with the last one it goes, and its bytes are given back behind that. */
function dropName(state: TreeState, batch: Batch, inode: Inode): void {
  if (inode.type !== 'directory' && inode.links > 1) {
    batch.put({ ...inode, links: inode.links - 1, changed: state.clock.now(inode.changed) });
    return;
  }
  batch.remove(inode);
  if (inode.regions.length > 0) batch.orphan(orphanKey(inode.number), encodeInode(inode), inode);
}

/** Gives a file another name. */
export function linkFile(
  state: TreeState,
  file: FileHandle,
  directory: FileHandle,
  name: Uint8Array,
  { receipt, who }: ChangeRequest<LinkedFile>,
): Settled<LinkedFile> {
  return whenCommitted(
    state.turns.run(() =>
      andThen(directoryOf(state, directory), (parent) => {
        checkSearch(parent, who);
        if (isDot(name) || isDotDot(name)) throw new AshlarError('exists', 'the name is the directory’s own');
        return andThen(slotOf(state, parent, name), (slot) =>
          andThen(inodeOf(state, file), (inode) => {
            if (inode.type === 'directory') throw new AshlarError('is-directory', 'a directory has one name');
            if (slot.entry !== undefined) throw new AshlarError('exists', 'there is a file of that name');
            checkMake(parent, who);
            if (inode.links >= mostLinks)
              throw new AshlarError('too-many-links', `a file has at most ${mostLinks} names`);
            const batch = new Batch();
            fillSlot(batch, slot, inode);
            const after = withName(state, parent, false);
            const linked = { ...inode, links: inode.links + 1, changed: state.clock.now(inode.changed) };
            batch.put(after);
            batch.put(linked);
            const result: LinkedFile = {
              attributes: attributesOf(linked),
              directoryChange: { before: stateOf(parent), after: attributesOf(after) },
            };
            batch.receipt(receipt, result);
            return { result, committed: commitBatch(state, batch) };
          }),
        );
      }),
    ),
  );
}

/** Gives a file another name in place of the one that it has, and of a file that has it. */
export function renameFile(
  state: TreeState,
  fromDirectory: FileHandle,
  fromName: Uint8Array,
  toDirectory: FileHandle,
  toName: Uint8Array,
  request: ChangeRequest<RenamedFile>,
): Settled<RenamedFile> {
  const { who } = request;
  return whenCommitted(
    state.turns.run(() =>
      andThen(directoryOf(state, fromDirectory), (from) =>
        andThen(directoryOf(state, toDirectory), (to) => {
          checkSearch(from, who);
          checkSearch(to, who);
          if ([fromName, toName].some((name) => isDot(name) || isDotDot(name))) {
            throw new AshlarError('invalid', 'a directory is not renamed by its own name');
          }
          return andThen(slotOf(state, from, fromName), (source) =>
            andThen(slotOf(state, to, toName), (target) =>
              andThen(namedBy(state, source), (moved) =>
                andThen(target.entry === undefined ? undefined : namedBy(state, target), (replaced) =>
                  andThen(isWithin(state, moved, to), (isInside) => {
                    if (isInside) throw new AshlarError('invalid', 'a directory is not moved into itself');
                    return renamed(state, { from, to, source, target, moved, replaced }, request);
                  }),
                ),
              ),
            ),
          );
        }),
      ),
    ),
  );
}

type Renaming = {
  readonly from: Inode;
  readonly to: Inode;
  readonly source: Slot;
  readonly target: Slot;
  readonly moved: Inode;
  readonly replaced: Inode | undefined;
};

/** Whether a directory is another one, or that is somewhere below it. */
function isWithin(state: TreeState, moved: Inode, directory: Inode): Settled<boolean> {
  if (moved.type !== 'directory') return false;
  if (directory.number === moved.number) return true;
  if (directory.parent === directory.number) return false;
  return andThen(state.inodes.find(directory.parent), (parent) => {
    if (parent === undefined) throw new AshlarError('corrupt', 'a directory is in one that is not there');
    return isWithin(state, moved, parent);
  });
}

function checkReplaced(moved: Inode, replaced: Inode): void {
  const isDirectory = moved.type === 'directory';
  if (isDirectory && replaced.type !== 'directory')
    throw new AshlarError('not-directory', 'a file is there of that name');
  checkKind(replaced, isDirectory);
}

function renamed(
  state: TreeState,
  { from, moved, replaced, source, target, to }: Renaming,
  { receipt, who }: ChangeRequest<RenamedFile>,
): Issued<RenamedFile> {
  checkTake(from, moved, who);
  if (replaced === undefined) checkMake(to, who);
  else checkTake(to, replaced, who);
  const isSameDirectory = from.number === to.number;
  // Two names of one file: nothing is done, as POSIX has it.
  if (replaced?.number === moved.number) {
    return { result: { fromChange: asItIs(from), toChange: asItIs(to) }, committed: undefined };
  }
  if (!isSameDirectory) checkMove(moved, who);
  if (replaced !== undefined) checkReplaced(moved, replaced);
  const isDirectory = moved.type === 'directory';
  if (isDirectory && !isSameDirectory && replaced === undefined && to.links >= mostLinks) {
    throw new AshlarError('too-many-links', `a directory has at most ${mostLinks - 2} in it`);
  }
  const batch = new Batch();
  const emptied = emptySlot(batch, source);
  fillSlot(batch, isSameRecord(source, target) ? within(target, emptied) : target, moved);
  const taken = withoutName(state, from, isDirectory);
  const cleared = isSameDirectory ? taken : to;
  const freed = replaced === undefined ? cleared : withoutName(state, cleared, isDirectory);
  const given = withName(state, freed, isDirectory);
  if (!isSameDirectory) batch.put(taken);
  batch.put(given);
  batch.put({ ...moved, parent: isDirectory ? to.number : moved.parent, changed: state.clock.now(moved.changed) });
  if (replaced !== undefined) dropName(state, batch, replaced);
  const result: RenamedFile = {
    fromChange: { before: stateOf(from), after: attributesOf(isSameDirectory ? given : taken) },
    toChange: { before: stateOf(to), after: attributesOf(given) },
  };
  batch.receipt(receipt, result);
  return { result, committed: commitBatch(state, batch) };
}

const asItIs = (inode: Inode): FileChange => ({ before: stateOf(inode), after: attributesOf(inode) });
