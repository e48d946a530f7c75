import {
  andThen,
  AshlarError,
  fileAccess,
  type Credentials,
  type FileAttributes,
  type FileHandle,
  type FileTree,
  type ObjectId,
  type Settled,
  type SnapshotView,
  type TreeAcls,
  type TreeLimits,
  type TreeStatistics,
} from '@ashlar/core';
import { grantedAccess } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import type { HashKey } from './entries.ts';
import { getAcls } from './file-acls.ts';
import { FileBytes } from './file-bytes.ts';
import { FileGates } from './file-gates.ts';
import { Inodes } from './inodes.ts';
import { listDirectory, type Listing } from './list.ts';
import { lookUp, type Found } from './look-up.ts';
import { readFile, type ReadBytes } from './read-file.ts';
import type { RecordsReader } from './tree-records.ts';
import { inodeOf, type ReadState } from './tree-state.ts';

/** Inodes of a snapshot that are kept in memory though nobody asks for them. */
const mostInodes = 4096;
const changes = fileAccess.modify | fileAccess.extend | fileAccess.delete;

type SnapshotParts = {
  readonly view: Pick<SnapshotView, 'read' | 'extents' | 'close'>;
  readonly hashKey: HashKey;
  readonly object: ObjectId;
  readonly records: RecordsReader;
  /** As it is now. */
  readonly live: Pick<FileTree, 'root' | 'limits' | 'statistics'>;
};

const refuse = (): never => {
  throw new AshlarError('read-only', 'a snapshot is not changed');
};

/** A file tree as a snapshot has it. */
class SnapshotTree implements FileTree {
  readonly root: FileHandle;
  readonly readOnly = true;
  readonly limits: TreeLimits;
  readonly writeVerifier: Uint8Array = new Uint8Array(8);
  readonly setAttributes = refuse;
  readonly write = refuse;
  readonly create = refuse;
  readonly makeDirectory = refuse;
  readonly makeLink = refuse;
  readonly makeNode = refuse;
  readonly link = refuse;
  readonly remove = refuse;
  readonly removeDirectory = refuse;
  readonly rename = refuse;
  readonly commit = refuse;
  readonly acls: TreeAcls = { get: (file) => getAcls(this.#state, file), set: refuse };
  readonly #state: ReadState;
  readonly #parts: SnapshotParts;

  constructor(parts: SnapshotParts) {
    const { hashKey, live, object, records, view } = parts;
    this.root = live.root;
    this.limits = live.limits;
    this.#parts = parts;
    const store = {
      read: (of: ObjectId, offset: number, into: Uint8Array) => view.read(of, offset, into),
      extents: (of: ObjectId, offset: number, length: number, limit: number) => view.extents(of, offset, length, limit),
      write: refuse,
      trim: refuse,
    };
    this.#state = {
      hashKey,
      records,
      inodes: new Inodes(records, mostInodes),
      bytes: new FileBytes(store, object),
      gates: new FileGates(),
    };
  }

  getAttributes(file: FileHandle): Settled<FileAttributes> {
    return andThen(inodeOf(this.#state, file), attributesOf);
  }

  access(
    file: FileHandle,
    wanted: number,
    who: Credentials,
  ): Settled<{ readonly granted: number; readonly attributes: FileAttributes }> {
    return andThen(inodeOf(this.#state, file), (inode) => ({
      granted: grantedAccess(inode, wanted & ~changes, who),
      attributes: attributesOf(inode),
    }));
  }

  lookup(directory: FileHandle, name: Uint8Array, who: Credentials): Settled<Found> {
    return lookUp(this.#state, directory, name, who);
  }

  list(
    directory: FileHandle,
    cookie: bigint,
    most: number,
    withAttributes: boolean,
    who: Credentials,
  ): Settled<Listing> {
    return listDirectory(this.#state, directory, cookie, most, withAttributes, who);
  }

  read(file: FileHandle, offset: number, into: Uint8Array, who: Credentials): Settled<ReadBytes> {
    return readFile(this.#state, file, offset, into, who);
  }

  readLink(file: FileHandle): Settled<{ readonly text: Uint8Array; readonly attributes: FileAttributes }> {
    return andThen(inodeOf(this.#state, file), (inode) => {
      if (inode.type !== 'link') throw new AshlarError('invalid', 'only symbolic links have a text');
      return { text: inode.text, attributes: attributesOf(inode) };
    });
  }

  statistics(): Settled<TreeStatistics> {
    return andThen(this.#parts.live.statistics(), (now) => ({ ...now, freeBytes: 0, availableBytes: 0, freeFiles: 0 }));
  }

  receipts(): [] {
    return [];
  }

  sync(): void {
    // All of it is durable.
  }

  async close(): Promise<void> {
    this.#parts.view.close();
  }
}

export const openSnapshotTree = (parts: SnapshotParts): FileTree => new SnapshotTree(parts);
