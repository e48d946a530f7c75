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
import { errno, linkOpen, removeAt, renameAt, statNamed } from '@ashlar/host';
import { checkName, isDot, isDotDot } from '../names.ts';
import { done } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { changedDirectory, type TreeState } from './tree-state.ts';

/** Which inode a name is of; nothing where it is of none, which the call that follows says better. */
function inodeNamed({ place }: OpenFile, name: Uint8Array): bigint | undefined {
  const stat = statNamed(place, name);
  return typeof stat === 'number' ? undefined : stat.inode;
}

/** A name was taken from a file: with the last one it goes. */
function lostName({ files, unsynced }: TreeState, inode: bigint | undefined): Settled<void> {
  const handle = inode === undefined ? undefined : files.dropGone(inode);
  if (handle === undefined) return undefined;
  unsynced.forget(inode!);
  return files.forget(handle);
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
    const inode = inodeNamed(parent, name);
    done(state.callers.as(who, () => removeAt(parent.place, name, isDirectory)));
    const change = changedDirectory(state, parent);
    return andThen(lostName(state, inode), () => change);
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
        () => file.inode,
        place,
        [file, parent],
        () => {
          file.stat();
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
      const move = (): { readonly renamed: RenamedFile; readonly replaced: bigint | undefined } => {
        const replaced = inodeNamed(to, toName);
        const result = callers.as(who, () => renameAt(from.place, fromName, to.place, toName));
        // XFS says so of a directory that is not empty.
        done(result === -errno.EEXIST ? -errno.ENOTEMPTY : result);
        const fromChange = changedDirectory(state, from);
        return { renamed: { fromChange, toChange: changedDirectory(state, to) }, replaced };
      };
      const moving = files.moving(() => inodeNamed(from, fromName), place, [from, to], move);
      return andThen(moving, ({ renamed, replaced }) => andThen(lostName(state, replaced), () => renamed));
    }),
  );
}
