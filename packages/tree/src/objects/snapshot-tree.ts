import {
  andThen,
  AshlarError,
  type FileHandle,
  type FileTree,
  type ObjectId,
  type Settled,
  type SnapshotView,
  type TreeAcls,
  type TreeLimits,
  type TreeStatistics,
} from '@ashlar/core';
import type { HashKey } from './entries.ts';
import { getAcls } from './file-acls.ts';
import { FileBytes } from './file-bytes.ts';
import { FileGates } from './file-gates.ts';
import { Inodes } from './inodes.ts';
import type { RecordsReader } from './tree-records.ts';
import { TreeReader } from './tree-reader.ts';
import type { ReadState } from './tree-state.ts';

/** Inodes of a snapshot that are kept in memory though nobody asks for them. */
const mostInodes = 4096;

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
class SnapshotTree extends TreeReader implements FileTree {
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
  readonly acls: TreeAcls;
  readonly #parts: SnapshotParts;

  constructor(parts: SnapshotParts) {
    const { hashKey, live, object, records, view } = parts;
    const store = {
      read: (of: ObjectId, offset: number, into: Uint8Array) => view.read(of, offset, into),
      extents: (of: ObjectId, offset: number, length: number, limit: number) => view.extents(of, offset, length, limit),
      write: refuse,
      trim: refuse,
    };
    const state: ReadState = {
      hashKey,
      records,
      inodes: new Inodes(records, mostInodes),
      bytes: new FileBytes(store, object),
      gates: new FileGates(),
    };
    super(state);
    this.root = live.root;
    this.limits = live.limits;
    this.acls = { get: (file) => getAcls(state, file), set: refuse };
    this.#parts = parts;
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
