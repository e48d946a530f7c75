import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type DeviceNumbers,
  type FileCreation,
  type FileHandle,
  type FileType,
  type MadeFile,
  type NewFileAttributes,
  type Settled,
} from '@ashlar/core';
import { inheritedAcl, keptAcls } from '../acl.ts';
import { checkMake, checkSearch, checkNewAttributes, checkWrite, ownershipIn } from '../permissions.ts';
import { attributesOf, newTime, stateOf } from './attributes.ts';
import { fillSlot, slotOf, type Slot } from './directory.ts';
import { handleOf } from './handles.ts';
import type { Inode } from './inode.ts';
import { isDot, isDotDot } from '../names.ts';
import { resized } from './resize.ts';
import { together } from './together.ts';
import { Batch, commitBatch, directoryOf, type TreeState } from './tree-state.ts';

/** What a file is made of, besides its name. */
export type Making = {
  readonly type: FileType;
  readonly attributes: NewFileAttributes;
  readonly device?: DeviceNumbers;
  readonly text?: Uint8Array;
  /** Of a regular file that is made exclusively. */
  readonly verifier?: Uint8Array;
};

export const mostLinks = 65_000;
const nothing: Uint8Array = Buffer.alloc(0);
const generations = 2 ** 32;

/** Makes a file that is not there. */
export function makeFile(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  making: Making,
  request: ChangeRequest<MadeFile>,
): Settled<MadeFile> {
  return issued(state, directory, name, request, (parent, slot) => {
    if (slot.entry !== undefined) throw new AshlarError('exists', 'there is a file of that name');
    return madeIn(state, parent, slot, making, request);
  });
}

/** Makes a regular file, or takes the one that is there where that is asked for. */
export function createFile(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  how: FileCreation,
  request: ChangeRequest<MadeFile>,
): Settled<MadeFile> {
  const making: Making =
    how.mode === 'exclusive'
      ? { type: 'regular', attributes: { mode: 0 }, verifier: Uint8Array.from(how.verifier) }
      : { type: 'regular', attributes: how.attributes };
  return issued(state, directory, name, request, (parent, slot) => {
    const { entry } = slot;
    if (entry === undefined) return madeIn(state, parent, slot, making, request);
    if (how.mode === 'guarded') throw new AshlarError('exists', 'there is a file of that name');
    return andThen(state.inodes.find(entry.inode), (inode) => {
      if (inode === undefined) throw new AshlarError('corrupt', 'a name is of a file that is not there');
      if (how.mode === 'exclusive') return madeBefore(parent, inode, how.verifier);
      if (how.attributes.sizeBytes === undefined) return takenAsIs(parent, inode);
      return state.gates.alone(inode.number, () =>
        cut(state, parent, inode.number, how.attributes.sizeBytes!, request),
      );
    });
  });
}

/** A result that is true once what was asked for is committed. */
type Issued = { readonly result: MadeFile; readonly committed: Settled<void> };

function issued(
  state: TreeState,
  directory: FileHandle,
  name: Uint8Array,
  { who }: ChangeRequest<MadeFile>,
  make: (parent: Inode, slot: Slot) => Settled<Issued>,
): Settled<MadeFile> {
  const issue = state.turns.run(() =>
    andThen(directoryOf(state, directory), (parent) => {
      checkSearch(parent, who);
      if (isDot(name) || isDotDot(name)) throw new AshlarError('exists', 'the name is the directory’s own');
      return andThen(slotOf(state, parent, name), (slot) => make(parent, slot));
    }),
  );
  return andThen(issue, ({ committed, result }) => andThen(committed, () => result));
}

function madeIn(
  state: TreeState,
  parent: Inode,
  slot: Slot,
  making: Making,
  { receipt, who }: ChangeRequest<MadeFile>,
): Issued {
  checkMake(parent, who);
  const { attributes, type } = making;
  if (type === 'directory' && parent.links >= mostLinks) {
    throw new AshlarError('too-many-links', `a directory has at most ${mostLinks - 2} in it`);
  }
  const now = state.clock.now(parent.changed);
  const owned = ownershipIn(parent, type, attributes.mode ?? 0, who);
  const isDirectory = type === 'directory';
  const fresh: Inode = {
    number: state.nextInode,
    generation: state.random.below(generations),
    type,
    ...owned,
    ...inheritedFrom(parent, type, owned.mode),
    links: isDirectory ? 2 : 1,
    sizeBytes: making.text?.length ?? 0,
    usedBytes: 0,
    device: making.device ?? { major: 0, minor: 0 },
    accessed: newTime(attributes.accessed, now, now),
    modified: newTime(attributes.modified, now, now),
    changed: now,
    parent: isDirectory ? parent.number : 0,
    entries: 0,
    verifier: making.verifier,
    text: making.text === undefined ? nothing : Uint8Array.from(making.text),
    regions: [],
    changedTables: [],
  };
  // Whose it is may be said at once, as far as its maker may say it.
  const said = checkNewAttributes(fresh, { ...attributes, mode: undefined, sizeBytes: undefined }, who);
  const inode: Inode = { ...fresh, uid: said.uid, gid: said.gid, sizeBytes: sizeOf(making, fresh.sizeBytes) };
  const directory: Inode = {
    ...parent,
    links: parent.links + (isDirectory ? 1 : 0),
    entries: parent.entries + 1,
    modified: now,
    changed: now,
  };
  const batch = new Batch();
  batch.hasNumber = true;
  fillSlot(batch, slot, inode);
  batch.put(inode);
  batch.put(directory);
  const result: MadeFile = {
    file: handleOf(inode.number, inode.generation),
    attributes: attributesOf(inode),
    directoryChange: { before: stateOf(parent), after: attributesOf(directory) },
  };
  batch.receipt(receipt, result);
  state.nextInode += 1;
  return { result, committed: commitBatch(state, batch) };
}

/** With which mode and lists a file begins in a directory. */
function inheritedFrom({ acls }: Inode, type: FileType, mode: number): Pick<Inode, 'mode' | 'acls'> {
  if (acls === undefined || acls.inherited.length === 0 || type === 'link') return { mode, acls: undefined };
  const { access, mode: own } = inheritedAcl(acls.inherited, mode);
  return { mode: own, acls: keptAcls(access, type === 'directory' ? acls.inherited : []) };
}

const sizeOf = ({ attributes, type }: Making, before: number): number =>
  type === 'regular' ? (attributes.sizeBytes ?? before) : before;

/** The same call made it before, or another one did. */
function madeBefore(parent: Inode, inode: Inode, verifier: Uint8Array): Issued {
  const isSame =
    inode.type === 'regular' && inode.verifier !== undefined && Buffer.from(inode.verifier).equals(verifier);
  if (!isSame) throw new AshlarError('exists', 'there is a file of that name');
  return { result: foundIn(parent, inode), committed: undefined };
}

/** A file that is there is taken: what it has stays. */
function takenAsIs(parent: Inode, inode: Inode): Issued {
  if (inode.type !== 'regular') throw new AshlarError('exists', 'there is something else of that name');
  return { result: foundIn(parent, inode), committed: undefined };
}

/** The same with another size. */
function cut(
  state: TreeState,
  parent: Inode,
  number: number,
  sizeBytes: number,
  { receipt, who }: ChangeRequest<MadeFile>,
): Settled<Issued> {
  return andThen(state.inodes.find(number), (inode) => {
    if (inode?.type !== 'regular') throw new AshlarError('exists', 'there is something else of that name');
    checkWrite(inode, who);
    const { inode: changed, trimmed } = resized(state, inode, sizeBytes, who);
    const batch = new Batch();
    batch.put(changed);
    const result = foundIn(parent, changed);
    batch.receipt(receipt, result);
    const committed = together([() => trimmed, () => commitBatch(state, batch)]);
    // The file is its own until all of it is there.
    return andThen(committed, () => ({ result, committed: undefined }));
  });
}

const foundIn = (parent: Inode, inode: Inode): MadeFile => ({
  file: handleOf(inode.number, inode.generation),
  attributes: attributesOf(inode),
  directoryChange: { before: stateOf(parent), after: attributesOf(parent) },
});
