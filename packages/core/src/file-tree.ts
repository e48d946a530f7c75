import type { FileAcls, NewFileAcls } from './acl.ts';
import type { Settled } from './settle.ts';

/**
 * Names a file of a tree: the same over renames and restarts, and no other file's ever. At most `mostFileHandleBytes`; what is in it is the tree's affair, and so is
 * whether it can be one.
 */
export type FileHandle = Uint8Array;

export const mostFileHandleBytes = 36;

/** Who asks. Whatever a protocol squashes is squashed already. */
export type Credentials = {
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly gids: readonly number[];
};

export type FileTime = { readonly seconds: number; readonly nanoseconds: number };

export type FileType = 'regular' | 'directory' | 'block' | 'character' | 'link' | 'socket' | 'fifo';

export type FileAttributes = {
  readonly type: FileType;
  /** Permissions, with the bits of set-user-id, set-group-id and sticky: 0o7777 at most. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Room that it takes. */
  readonly usedBytes: number;
  /** Of a device. */
  readonly device: DeviceNumbers;
  /** Unique in the tree while the file is there. */
  readonly fileId: bigint;
  readonly accessed: FileTime;
  readonly modified: FileTime;
  readonly changed: FileTime;
};

export type DeviceNumbers = { readonly major: number; readonly minor: number };

/** A time as it is, the server's own, or one that is given. */
export type NewFileTime = 'keep' | 'now' | FileTime;

/** What is to be set; the rest stays. */
export type NewFileAttributes = {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly accessed?: NewFileTime | undefined;
  readonly modified?: NewFileTime | undefined;
};

/** What tells a client whether it is the only one who changed a file. */
export type FileState = Pick<FileAttributes, 'sizeBytes' | 'modified' | 'changed'>;

/** A file as an operation found it and as it left it. `before` only where both were looked at with nothing in between. */
export type FileChange = { readonly before: FileState | undefined; readonly after: FileAttributes | undefined };

/** How durable what is written is: `unstable` until a `commit`, `data` with what is needed to read it, `file` with all of its attributes. */
export type Stability = 'unstable' | 'data' | 'file';

/** `unchecked`: a file that is there is taken. `exclusive`: one that the same call made before, as its verifier of 8 bytes says. */
export type FileCreation =
  | { readonly mode: 'unchecked' | 'guarded'; readonly attributes: NewFileAttributes }
  | { readonly mode: 'exclusive'; readonly verifier: Uint8Array };

export type MadeFile = {
  readonly file: FileHandle;
  readonly attributes: FileAttributes;
  readonly directoryChange: FileChange;
};

/** Bits of what a caller may do with a file. */
export const fileAccess = { read: 1, lookup: 2, modify: 4, extend: 8, delete: 16, execute: 32 } as const;

export type DirectoryEntry = {
  /** Bytes; `.` and `..` are among them. */
  readonly name: Uint8Array;
  readonly fileId: bigint;
  /** What a listing goes on behind. The same as long as the entry is there, whatever else is made or removed. */
  readonly cookie: bigint;
  /** Where it was asked for. */
  readonly found: { readonly file: FileHandle; readonly attributes: FileAttributes } | undefined;
};

export type TreeStatistics = {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Free for the caller. */
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
};

export type TreeLimits = {
  readonly mostNameBytes: number;
  readonly mostLinks: number;
  readonly mostFileBytes: number;
};

/**
 * A record that is kept in the same batch as a change, or nowhere: a reply that a retried call gets once more. Of one owner (at most 255 bytes) there is one in each slot,
 * a number below 2^16: the one before is gone.
 */
export type Receipt<T> = (result: T) => {
  readonly owner: Uint8Array;
  readonly slot: number;
  readonly value: Uint8Array;
};

/** Who asks for a change, and what is to be kept with it. */
export type ChangeRequest<T> = { readonly who: Credentials; readonly receipt?: Receipt<T> | undefined };

/**
 * Access control lists of a tree's files. Where a file has one, its mode's bits of the group are the list's mask, and those of owner and others are the entries of these: what
 * changes one changes the other. What is made in a directory whose list is inherited has that, less what its maker's mode does not have; directories pass it on.
 */
export interface TreeAcls {
  get(file: FileHandle): Settled<FileAcls & { readonly attributes: FileAttributes }>;
  /** By the owner of a file, and root (`not-owner`). Only directories have lists that are inherited (`denied`), and symbolic links have none (`unsupported`). */
  set(file: FileHandle, acls: NewFileAcls, request: ChangeRequest<FileChange>): Settled<FileChange>;
}

/**
 * Files by their handles. Names are bytes without zeros and slashes (`invalid`), of at most `limits.mostNameBytes` (`name-too-long`); they are never `.` or `..` where something is made or removed
 * (`exists`, `invalid`, `not-empty` as RFC 1813 has it). Callers are checked against the permissions of what they touch (`denied`, `not-owner`); whoever owns a file may always read and write it, as
 * clients expect that checked it when it was opened. A handle that cannot be one is `bad-handle`, one whose file is gone `stale`.
 *
 * Settled = it is seen by whoever comes next and survives the process; `sync` or a `commit` makes it survive a loss of power.
 */
export interface FileTree {
  readonly root: FileHandle;
  readonly readOnly: boolean;
  readonly limits: TreeLimits;
  /** Another one as soon as something that was settled and not durable may be lost: 8 bytes. */
  readonly writeVerifier: Uint8Array;
  /** Nothing: its files have modes alone. */
  readonly acls?: TreeAcls | undefined;

  getAttributes(file: FileHandle): Settled<FileAttributes>;
  /** `guard`: only where the file was last changed exactly then (`out-of-sync`). */
  setAttributes(
    file: FileHandle,
    attributes: NewFileAttributes,
    guard: FileTime | undefined,
    request: ChangeRequest<FileChange>,
  ): Settled<FileChange>;
  /** Which bits of `wanted`, of `fileAccess`, the caller has. */
  access(
    file: FileHandle,
    wanted: number,
    who: Credentials,
  ): Settled<{ readonly granted: number; readonly attributes: FileAttributes }>;

  lookup(
    directory: FileHandle,
    name: Uint8Array,
    who: Credentials,
  ): Settled<{ readonly file: FileHandle; readonly attributes: FileAttributes; readonly directory: FileAttributes }>;
  /** At most `most` entries behind the one of a cookie; 0: from the first on. `bad-cookie` for one that never was. */
  list(
    directory: FileHandle,
    cookie: bigint,
    most: number,
    withAttributes: boolean,
    who: Credentials,
  ): Settled<{
    readonly entries: readonly DirectoryEntry[];
    readonly isEnd: boolean;
    readonly directory: FileAttributes;
  }>;

  /** Fills `into` up to the end of the file, and says how far. */
  read(
    file: FileHandle,
    offset: number,
    into: Uint8Array,
    who: Credentials,
  ): Settled<{ readonly count: number; readonly isEnd: boolean; readonly attributes: FileAttributes }>;
  /** Whole or not at all; at least as durable as `stability` asks for. */
  write(
    file: FileHandle,
    offset: number,
    from: Uint8Array,
    stability: Stability,
    who: Credentials,
  ): Settled<{ readonly committed: Stability; readonly change: FileChange }>;
  /** What was written of a range, 0 bytes: of all from there on, survives a loss of power. */
  commit(file: FileHandle, offset: number, length: number): Settled<FileChange>;
  readLink(
    file: FileHandle,
    who: Credentials,
  ): Settled<{ readonly text: Uint8Array; readonly attributes: FileAttributes }>;

  create(
    directory: FileHandle,
    name: Uint8Array,
    how: FileCreation,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile>;
  makeDirectory(
    directory: FileHandle,
    name: Uint8Array,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile>;
  makeLink(
    directory: FileHandle,
    name: Uint8Array,
    text: Uint8Array,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile>;
  /** A device, a socket or a fifo. */
  makeNode(
    directory: FileHandle,
    name: Uint8Array,
    type: FileType,
    device: DeviceNumbers,
    attributes: NewFileAttributes,
    request: ChangeRequest<MadeFile>,
  ): Settled<MadeFile>;
  link(
    file: FileHandle,
    directory: FileHandle,
    name: Uint8Array,
    request: ChangeRequest<LinkedFile>,
  ): Settled<LinkedFile>;
  /** Of whatever is no directory; its bytes go with its last name. */
  remove(directory: FileHandle, name: Uint8Array, request: ChangeRequest<FileChange>): Settled<FileChange>;
  removeDirectory(directory: FileHandle, name: Uint8Array, request: ChangeRequest<FileChange>): Settled<FileChange>;
  /** At once, in place of what is there. */
  rename(
    from: FileHandle,
    fromName: Uint8Array,
    to: FileHandle,
    toName: Uint8Array,
    request: ChangeRequest<RenamedFile>,
  ): Settled<RenamedFile>;

  statistics(): Settled<TreeStatistics>;
  /** What receipts kept of an owner, in no order; nothing where the tree keeps none. */
  receipts(owner: Uint8Array): Settled<readonly Uint8Array[]>;
  /** Every change of names and attributes that settled before survives a loss of power, and so do bytes where that costs nothing more; N waiting ones cost one sync. */
  sync(): Settled<void>;
  close(): Promise<void>;
}

export type LinkedFile = { readonly attributes: FileAttributes; readonly directoryChange: FileChange };

export type RenamedFile = { readonly fromChange: FileChange; readonly toChange: FileChange };
