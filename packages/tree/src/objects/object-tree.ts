import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type Credentials,
  type DeviceNumbers,
  type FileChange,
  type FileCreation,
  type FileHandle,
  type FileTime,
  type FileTree,
  type FileType,
  type LinkedFile,
  type MadeFile,
  type NewFileAttributes,
  type ObjectId,
  type RenamedFile,
  type Settled,
  type SnapshotId,
  type SnapshotView,
  type Stability,
  type TreeAcls,
  type TreeLimits,
  type TreeStatistics,
} from '@ashlar/core';
import { attributesOf, stateOf } from './attributes.ts';
import { getAcls, setAcls } from './file-acls.ts';
import { handleOf } from './handles.ts';
import type { Inode } from './inode.ts';
import { receiptKeys } from './keys.ts';
import { createFile, makeFile, mostLinks, type Making } from './make.ts';
import { mostNameBytes } from '../names.ts';
import { openTreeState, rootNumber, type OpenTree, type OpenTreeOptions } from './open-tree.ts';
import { mostFileBytes } from './resize.ts';
import { setAttributes } from './set-attributes.ts';
import { SnapshotRecords } from './snapshot-records.ts';
import { openSnapshotTree } from './snapshot-tree.ts';
import { linkFile, removeName, renameFile } from './take.ts';
import { TreeReader } from './tree-reader.ts';
import { encodedSuperblock, inodeOf, superblockKey, type TreeState, type TreeStore } from './tree-state.ts';
import { recordInodes, writeFile } from './write-file.ts';

const mostTextBytes = 4095;
/** Of one owner. */
const mostReceipts = 2 ** 16;
const limits: TreeLimits = { mostNameBytes, mostLinks, mostFileBytes };

/** A snapshot of the store that a tree is on. */
export type TreeSnapshotView = Pick<SnapshotView, 'id' | 'read' | 'extents' | 'close'>;

/** A tree that nobody changes, for as long as a snapshot of its store takes. */
export type HeldTree = {
  /** The store has it. */
  took(id: SnapshotId): Promise<void>;
  /** It does not. */
  failed(): Promise<void>;
  /** Changes go on. */
  release(): void;
};

/** The tree of a volume, with snapshots. */
export interface VolumeTree extends FileTree {
  /** What all bytes of its files lie in. */
  readonly object: ObjectId;
  /** Keeps changes out, and what is there for a snapshot that its store takes meanwhile. `release` it, whatever becomes of that. */
  hold(): Promise<HeldTree>;
  /** The tree as a snapshot has it, to be read; closing it closes the view. Rejects with `not-found`. */
  openSnapshot(view: TreeSnapshotView): Promise<FileTree>;
  /** Gives back what is kept for snapshots that the store does not have any more: behind everything else. */
  keepSnapshots(ids: ReadonlySet<SnapshotId>): Promise<void>;
  /**
   * Makes some more of what is known of files a clone's own. `isFlat`: all of it is, durably, and its store's origin may go. `endBytes`: no file has any of the object's bytes
   * from there on.
   */
  flatten(): Promise<{ readonly isFlat: boolean; readonly endBytes: number }>;
}

/** A file tree on an object store: what is known of files is in records, and their bytes lie in one object. */
class ObjectTree extends TreeReader implements VolumeTree {
  readonly root: FileHandle;
  readonly readOnly = false;
  readonly limits = limits;
  readonly writeVerifier: Uint8Array;
  readonly object: ObjectId;
  readonly acls: TreeAcls = {
    get: (file) => getAcls(this.#state, file),
    set: (file, acls, request) => this.#change(() => setAcls(this.#state, file, acls, request)),
  };
  readonly #state: TreeState;
  readonly #reclaimer: OpenTree['reclaimer'];
  readonly #snapshots: OpenTree['snapshots'];
  readonly #clone: OpenTree['clone'];

  constructor({ clone, reclaimer, snapshots, state }: OpenTree, root: Inode, verifier: Uint8Array) {
    super(state);
    this.root = handleOf(root.number, root.generation);
    this.writeVerifier = verifier;
    this.object = state.object;
    this.#state = state;
    this.#reclaimer = reclaimer;
    this.#snapshots = snapshots;
    this.#clone = clone;
  }

  setAttributes(
    file: FileHandle,
    attributes: NewFileAttributes,
    guard: FileTime | undefined,
    request: ChangeRequest<FileChange>,
  ): Settled<FileChange> {
    return this.#change(() => setAttributes(this.#state, file, attributes, guard, request));
  }

  write(
    file: FileHandle,
    offset: number,
    from: Uint8Array,
    stability: Stability,
    who: Credentials,
  ): Settled<{ readonly committed: Stability; readonly change: FileChange }> {
    const state = this.#state;
    const written = this.#change(() => writeFile(state, file, offset, from, who));
    return andThen(written, ({ change, number }) => {
      if (stability === 'unstable') return { committed: stability, change };
      return andThen(recordInodes(state, number), () =>
        andThen(state.store.sync(), () => ({ committed: 'file' as const, change })),
      );
    });
  }

  commit(file: FileHandle): Settled<FileChange> {
    const state = this.#state;
    return andThen(inodeOf(state, file), (inode) =>
      andThen(recordInodes(state, inode.number), () =>
        andThen(state.store.sync(), () => ({ before: stateOf(inode), after: attributesOf(inode) })),
      ),
    );
  }

  create(
    directory: FileHandle,
    name: Uint8Array,
    how: FileCreation,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile> {
    return this.#change(() => createFile(this.#state, directory, name, how, request));
  }

  makeDirectory(
    directory: FileHandle,
    name: Uint8Array,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile> {
    return this.#make(directory, name, { type: 'directory', attributes }, request);
  }

  makeLink(
    directory: FileHandle,
    name: Uint8Array,
    text: Uint8Array,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile> {
    if (text.length === 0) throw new AshlarError('invalid', 'a symbolic link has a text');
    if (text.length > mostTextBytes) {
      throw new AshlarError('name-too-long', `the text of a link has at most ${mostTextBytes} bytes`);
    }
    const making = { type: 'link', attributes: { ...attributes, mode: 0o777 }, text } as const;
    return this.#make(directory, name, making, request);
  }

  makeNode(
    directory: FileHandle,
    name: Uint8Array,
    type: FileType,
    device: DeviceNumbers,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile> {
    const isDevice = type === 'block' || type === 'character';
    if (!isDevice && type !== 'socket' && type !== 'fifo') {
      throw new AshlarError('bad-type', 'only devices, sockets and fifos are nodes');
    }
    if (isDevice && request.who.uid !== 0) throw new AshlarError('not-owner', 'only root makes devices');
    return this.#make(directory, name, { type, attributes, device }, request);
  }

  link(
    file: FileHandle,
    directory: FileHandle,
    name: Uint8Array,
    request: ChangeRequest<LinkedFile>,
  ): Settled<LinkedFile> {
    return this.#change(() => linkFile(this.#state, file, directory, name, request));
  }

  remove(directory: FileHandle, name: Uint8Array, request: ChangeRequest<FileChange>): Settled<FileChange> {
    return this.#change(() => removeName(this.#state, directory, name, false, request));
  }

  removeDirectory(directory: FileHandle, name: Uint8Array, request: ChangeRequest<FileChange>): Settled<FileChange> {
    return this.#change(() => removeName(this.#state, directory, name, true, request));
  }

  rename(
    from: FileHandle,
    fromName: Uint8Array,
    to: FileHandle,
    toName: Uint8Array,
    request: ChangeRequest<RenamedFile>,
  ): Settled<RenamedFile> {
    return this.#change(() => renameFile(this.#state, from, fromName, to, toName, request));
  }

  statistics(): Settled<TreeStatistics> {
    return andThen(this.#state.room.now(), ({ freeBytes, totalBytes }) => ({
      totalBytes,
      freeBytes,
      availableBytes: freeBytes,
      totalFiles: mostFiles,
      freeFiles: mostFiles - this.#state.nextInode,
    }));
  }

  receipts(owner: Uint8Array): Settled<readonly Uint8Array[]> {
    const found = this.#state.records.scan(...receiptKeys(owner), mostReceipts);
    return andThen(found, (records) => records.map(({ value }) => value));
  }

  sync(): Settled<void> {
    return andThen(recordInodes(this.#state), () => this.#state.store.sync());
  }

  async hold(): Promise<HeldTree> {
    const state = this.#state;
    const release = await state.holds.hold();
    try {
      await recordInodes(state);
      const snapshot = await this.#snapshots.begin();
      return {
        took: (id) => this.#snapshots.took(snapshot, id),
        failed: () => this.#snapshots.drop(snapshot),
        release,
      };
    } catch (error) {
      release();
      throw error;
    }
  }

  async openSnapshot(view: TreeSnapshotView): Promise<FileTree> {
    const snapshot = this.#snapshots.find(view.id);
    if (snapshot === undefined) throw new AshlarError('not-found', 'the file tree has no such snapshot');
    const { hashKey, object, records } = this.#state;
    return openSnapshotTree({
      view,
      hashKey,
      object,
      live: this,
      records: new SnapshotRecords(records, snapshot.epoch),
    });
  }

  keepSnapshots(ids: ReadonlySet<SnapshotId>): Promise<void> {
    return this.#snapshots.keepOnly(ids);
  }

  async flatten(): Promise<{ readonly isFlat: boolean; readonly endBytes: number }> {
    const { regions, store } = this.#state;
    const isFlat = this.#clone === undefined || (await this.#clone.copySome());
    if (isFlat) await store.sync();
    return { isFlat, endBytes: regions.end };
  }

  async close(): Promise<void> {
    const state = this.#state;
    await this.#reclaimer.end();
    await this.#snapshots.end();
    await recordInodes(state);
    // What lies in free regions may not have been looked at yet: the next start does.
    const isClean = state.regions.suspect() === undefined;
    await state.records.commit([{ key: superblockKey, value: encodedSuperblock(state, isClean) }]);
    await state.records.settled();
    await state.store.sync();
  }

  #change<T>(change: () => Settled<T>): Settled<T> {
    return this.#state.holds.run(change);
  }

  #make(directory: FileHandle, name: Uint8Array, making: Making, request: ChangeRequest<MadeFile>): Settled<MadeFile> {
    return this.#change(() => makeFile(this.#state, directory, name, making, request));
  }
}

/** Numbers of files are below 2^48. */
const mostFiles = 2 ** 48;

/** Opens the tree of a store. What it was given is durable when it is closed; the store stays open. Fails as `openTreeState`. */
export async function openObjectTree(store: TreeStore, options: OpenTreeOptions): Promise<VolumeTree> {
  const open = await openTreeState(store, options);
  const root = await open.state.inodes.find(rootNumber);
  if (root === undefined) throw new AshlarError('corrupt', 'the file tree has no root');
  const verifier = new Uint8Array(8);
  options.random.fill(verifier);
  return new ObjectTree(open, root, verifier);
}
