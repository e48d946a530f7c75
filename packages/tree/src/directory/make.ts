import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type Credentials,
  type FileCreation,
  type FileHandle,
  type FileType,
  type MadeFile,
  type NewFileAttributes,
  type Settled,
} from '@ashlar/core';
import {
  closeDescriptor,
  Descriptor,
  errno,
  makeDirectoryAt,
  openAgain,
  openNew,
  openToName,
  removeAt,
  timeOpen,
} from '@ashlar/host';
import { checkName, isDot, isDotDot } from '../names.ts';
import { attributesOf } from './attributes.ts';
import { done } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { applyAttributes } from './set-attributes.ts';
import { changedDirectory, type TreeState } from './tree-state.ts';

const allBits = 0o7777;
const setIds = 0o6000;
const setGroup = 0o2000;

/** The directory that a file is to be made in, and that it may have that name. */
function parentOf(state: TreeState, directory: FileHandle, name: Uint8Array): Settled<OpenFile> {
  return andThen(state.files.directory(directory), (parent) => {
    checkName(name);
    if (isDot(name) || isDotDot(name)) throw new AshlarError('exists', 'the name is the directory’s own');
    // Nothing is made in one that is gone.
    parent.stat();
    return parent;
  });
}

const told = (state: TreeState, parent: OpenFile, file: OpenFile): MadeFile => {
  state.unsynced.changed(file);
  const directoryChange = changedDirectory(state, parent);
  return { file: file.handle, attributes: file.attributes(), directoryChange };
};

/** What is behind a name that was just made, with the rest of what it was to have; without that there is no such name. */
function dressed(
  state: TreeState,
  parent: OpenFile,
  name: Uint8Array,
  type: FileType,
  dress: (file: OpenFile) => void,
): Settled<MadeFile> {
  const descriptor = done(openToName(parent.place, name));
  return andThen(state.files.adopt(descriptor, { directory: parent.inode, name }), (file) => {
    if (file.type !== type) throw new AshlarError('try-later', 'another program took the name');
    try {
      dress(file);
    } catch (error) {
      removeAt(parent.place, name, type === 'directory');
      throw error;
    }
    return told(state, parent, file);
  });
}

/** Makes what is no regular file: `make` does so with the mode that it is given, and gives 0 or minus errno. */
export function makeNamed(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  type: FileType,
  { mode, ...others }: NewFileAttributes,
  { who }: ChangeRequest<MadeFile>,
  make: (directory: number, mode: number) => number,
): Settled<MadeFile> {
  return andThen(parentOf(state, directory, name), (parent) => {
    const bits = (mode ?? 0) & allBits;
    done(state.callers.making(who, () => make(parent.place, bits)));
    return dressed(state, parent, name, type, (file) => {
      const stat = file.stat();
      applyAttributes(state, file, stat, others, who);
      // mkdir(2) takes no bits of set-id; what a directory has from the one that it is in stays.
      const missing = type === 'directory' && (bits & setIds) !== 0;
      if (missing) applyAttributes(state, file, stat, { mode: bits | (stat.mode & setGroup) }, who);
    });
  });
}

export const makeDirectoryIn = (
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  attributes: NewFileAttributes,
  request: ChangeRequest<MadeFile>,
): Settled<MadeFile> =>
  makeNamed(state, directory, name, 'directory', { ...attributes, sizeBytes: undefined }, request, (place, mode) =>
    makeDirectoryAt(place, name, mode),
  );

/** Makes a regular file, or takes the one that is there where that is asked for. */
export function createFile(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  how: FileCreation,
  { who }: ChangeRequest<MadeFile>,
): Settled<MadeFile> {
  return andThen(parentOf(state, directory, name), (parent) => {
    const mode = how.mode === 'exclusive' ? 0 : (how.attributes.mode ?? 0) & allBits;
    const descriptor = state.callers.making(who, () => openNew(parent.place, name, mode));
    if (descriptor === -errno.EEXIST && how.mode !== 'guarded') return taken(state, parent, name, how, who);
    const writer = new Descriptor(done(descriptor), 'a new file', closeDescriptor);
    const opened = andThen(adopted(state, parent, name, writer), (file) => {
      try {
        if (how.mode === 'exclusive') keepVerifier(file, how.verifier);
        else applyAttributes(state, file, file.stat(), { ...how.attributes, mode: undefined }, who);
      } catch (error) {
        removeAt(parent.place, name, false);
        throw error;
      }
      return told(state, parent, file);
    });
    return opened;
  });
}

/** A new file that is open to be written. */
function adopted(state: TreeState, parent: OpenFile, name: Uint8Array, writer: Descriptor): Settled<OpenFile> {
  const failed = (error: unknown): never => {
    writer.close();
    throw error;
  };
  try {
    const descriptor = done(openAgain(writer.number, 'name'));
    const adopting = state.files.adopt(descriptor, { directory: parent.inode, name });
    const withWriter = andThen(adopting, (file) => {
      file.writer = writer;
      return file;
    });
    return withWriter instanceof Promise ? withWriter.catch(failed) : withWriter;
  } catch (error) {
    return failed(error);
  }
}

function taken(
  state: TreeState,
  parent: OpenFile,
  name: Uint8Array,
  how: FileCreation,
  who: Credentials,
): Settled<MadeFile> {
  const descriptor = done(state.callers.as(who, () => openToName(parent.place, name)));
  return andThen(state.files.adopt(descriptor, { directory: parent.inode, name }), (file) => {
    const isTaken = file.type === 'regular' && (how.mode !== 'exclusive' || hasVerifier(file, how.verifier));
    if (!isTaken) throw new AshlarError('exists', 'there is a file of that name');
    if (how.mode !== 'exclusive' && how.attributes.sizeBytes !== undefined) {
      applyAttributes(state, file, file.stat(), { sizeBytes: how.attributes.sizeBytes }, who);
    }
    return told(state, parent, file);
  });
}

/** The seconds of both times keep the 8 bytes of a verifier, as in knfsd: the client sets the times behind it. All of 32 bits with a sign, which every file system has. */
function timesOf(verifier: Uint8Array): { readonly accessed: number; readonly modified: number } {
  const bytes = Buffer.from(verifier);
  return { accessed: bytes.readInt32BE(0), modified: bytes.readInt32BE(4) };
}

function keepVerifier(file: OpenFile, verifier: Uint8Array): void {
  const { accessed, modified } = timesOf(verifier);
  done(timeOpen(file.place, { seconds: accessed, nanoseconds: 0 }, { seconds: modified, nanoseconds: 0 }));
}

function hasVerifier(file: OpenFile, verifier: Uint8Array): boolean {
  const { accessed, modified } = attributesOf(file.stat());
  const expected = timesOf(verifier);
  const isWhole = accessed.nanoseconds === 0 && modified.nanoseconds === 0;
  return isWhole && accessed.seconds === expected.accessed && modified.seconds === expected.modified;
}
