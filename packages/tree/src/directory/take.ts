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
import { errno, linkOpen, removeAt, renameAt, statNamed, type FileStat } from '@ashlar/host';
import { checkName, isDot, isDotDot } from '../names.ts';
import { done } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { changedDirectory, type TreeState } from './tree-state.ts';

/** What a name is of; nothing where it is of none, which the call that follows says better. */
function named({ place }: OpenFile, name: Uint8Array): FileStat | undefined {
  const stat = statNamed(place, name);
  return typeof stat === 'number' ? undefined : stat;
}

/** A name was taken from a file: with the last one it goes, and its handle once it cannot come back. */
function lostName({ files, unsynced }: TreeState, inode: bigint | undefined): void {
  const handle = inode === undefined ? undefined : files.dropGone(inode);
  if (handle === undefined) return;
  unsynced.forget(inode!);
  unsynced.afterwards(() => files.forget(handle));
}

/** Takes a name from a file or an empty directory. */
export function removeName(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  isDirectory: boolean,
  { who }: ChangeRequest<FileChange>,
): Settled<FileChange> {
  return andThen(state.files.directory(directory), (parent) => {
    checkName(name);
    refuseDots(name, isDirectory);
    const inode = named(parent, name)?.inode;
    done(state.callers.as(who, () => removeAt(parent.place, name, isDirectory)));
    const change = changedDirectory(state, parent);
    lostName(state, inode);
    return change;
  });
}

function refuseDots(name: Uint8Array, isDirectory: boolean): void {
  if (isDot(name)) throw new AshlarError(isDirectory ? 'invalid' : 'is-directory', 'the name is the directory’s own');
  if (isDotDot(name))
    throw new AshlarError(isDirectory ? 'not-empty' : 'is-directory', 'the name is that of what the directory is in');
}

/** Gives a file another name. */
export function linkFile(
  state: TreeState,
  handle: FileHandle,
  directory: FileHandle,
  name: Uint8Array,
  { who }: ChangeRequest<LinkedFile>,
): Settled<LinkedFile> {
  return andThen(state.files.directory(directory), (parent) => {
    checkName(name);
    if (isDot(name) || isDotDot(name)) throw new AshlarError('exists', 'the name is the directory’s own');
    return andThen(state.files.find(handle), (file) => {
      if (file.isDirectory) throw new AshlarError('is-directory', 'a directory has one name');
      const place = { directory: parent.inode, name };
      return state.files.moving(
        () => file.stat(),
        place,
        [file, parent],
        () => {
          done(state.callers.as(who, () => linkOpen(file.place, parent.place, name)));
          state.unsynced.changed(file);
          return { attributes: file.attributes(), directoryChange: changedDirectory(state, parent) };
        },
      );
    });
  });
}

/** Gives a file another name in place of the one that it has, and of a file that has it. */
export function renameFile(
  state: TreeState,
  fromDirectory: FileHandle,
  fromName: Uint8Array,
  toDirectory: FileHandle,
  toName: Uint8Array,
  { who }: ChangeRequest<RenamedFile>,
): Settled<RenamedFile> {
  const { callers, files } = state;
  return andThen(files.directory(fromDirectory), (from) =>
    andThen(files.directory(toDirectory), (to) => {
      checkName(fromName);
      checkName(toName);
      if ([fromName, toName].some((name) => isDot(name) || isDotDot(name))) {
        throw new AshlarError('invalid', 'a directory is not renamed by its own name');
      }
      const place = { directory: to.inode, name: toName };
      return files.moving(
        () => named(from, fromName),
        place,
        [from, to],
        (): RenamedFile => {
          const replaced = named(to, toName)?.inode;
          const result = callers.as(who, () => renameAt(from.place, fromName, to.place, toName));
          // XFS says so of a directory that is not empty.
          done(result === -errno.EEXIST ? -errno.ENOTEMPTY : result);
          const fromChange = changedDirectory(state, from);
          const toChange = changedDirectory(state, to);
          lostName(state, replaced);
          return { fromChange, toChange };
        },
      );
    }),
  );
}
