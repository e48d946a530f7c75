import {
  AshlarError,
  fileAccess,
  type Credentials,
  type DirectoryEntry,
  type FileAttributes,
  type FileHandle,
  type FileTime,
  type FileTree,
  type TreeLimits,
  type TreeStatistics,
} from '@ashlar/core';

/** A snapshot by its name, and when it was taken. */
export type ListedSnapshot = { readonly name: string; readonly taken: FileTime };

const refuse = (): never => {
  throw new AshlarError('read-only', 'snapshots are made and removed by their server');
};

const never: FileTime = { seconds: 0, nanoseconds: 0 };
const ownId = 1n;
const readable = fileAccess.read | fileAccess.lookup | fileAccess.execute;

/** The directory of a tree's snapshots: each is a file system of its own, which whoever looks for its name crosses into. */
export class SnapshotList implements FileTree {
  readonly root: FileHandle = Buffer.of(1);
  readonly readOnly = true;
  readonly limits: TreeLimits = { mostNameBytes: 255, mostLinks: 65_000, mostFileBytes: 0 };
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
  readonly #snapshots: readonly ListedSnapshot[];

  constructor(snapshots: readonly ListedSnapshot[]) {
    this.#snapshots = snapshots;
  }

  getAttributes(file: FileHandle): FileAttributes {
    if (!this.#isOwn(file)) throw new AshlarError('stale', 'the snapshot is gone');
    const changed = this.#snapshots.at(-1)?.taken ?? never;
    return {
      type: 'directory',
      mode: 0o555,
      links: 2 + this.#snapshots.length,
      uid: 0,
      gid: 0,
      sizeBytes: 4096,
      usedBytes: 0,
      device: { major: 0, minor: 0 },
      fileId: ownId,
      accessed: changed,
      modified: changed,
      changed,
    };
  }

  access(file: FileHandle, wanted: number): { readonly granted: number; readonly attributes: FileAttributes } {
    return { granted: wanted & readable, attributes: this.getAttributes(file) };
  }

  lookup(
    directory: FileHandle,
    name: Uint8Array,
  ): { readonly file: FileHandle; readonly attributes: FileAttributes; readonly directory: FileAttributes } {
    const attributes = this.getAttributes(directory);
    const text = Buffer.from(name).toString();
    if (text === '.' || text === '..') return { file: this.root, attributes, directory: attributes };
    throw new AshlarError('not-found', 'there is no snapshot of that name');
  }

  /** The cookie of an entry is its place: snapshots are seldom made, and their names say when. */
  list(directory: FileHandle, cookie: bigint, most: number, _withAttributes: boolean, _who: Credentials) {
    const attributes = this.getAttributes(directory);
    const names = ['.', '..', ...this.#snapshots.map(({ name }) => name)];
    const from = Number(cookie);
    const entries = names.slice(from, from + most).map((name, at): DirectoryEntry => {
      const place = from + at;
      return {
        name: Buffer.from(name),
        fileId: place < 2 ? ownId : BigInt(place),
        cookie: BigInt(place + 1),
        found: undefined,
      };
    });
    return { entries, isEnd: from + most >= names.length, directory: attributes };
  }

  read(): never {
    throw new AshlarError('is-directory', 'a directory is listed, and not read');
  }

  readLink(): never {
    throw new AshlarError('invalid', 'only symbolic links have a text');
  }

  statistics(): TreeStatistics {
    return { totalBytes: 0, freeBytes: 0, availableBytes: 0, totalFiles: this.#snapshots.length, freeFiles: 0 };
  }

  receipts(): [] {
    return [];
  }

  sync(): void {
    // Nothing of it is written.
  }

  async close(): Promise<void> {
    // Nothing of it is open.
  }

  #isOwn(file: FileHandle): boolean {
    return file.length === 1 && file[0] === 1;
  }
}
