import type { Extent } from './extents.ts';
import type { Settled } from './settle.ts';

/** A number that never repeats in a pool, below 2^53. */
export type ObjectId = number;

/** Names a snapshot of a volume; never repeats in it, and grows. */
export type SnapshotId = number;

/** A point of a volume's history that is kept. */
export type Snapshot = {
  readonly id: SnapshotId;
  /** The volume's, when it was taken. */
  readonly sequence: number;
};

/** A run of an object that is other than it was, or not. */
export type Change = { readonly offset: number; readonly length: number; readonly isChanged: boolean };

/** A run of an object by where it comes from: 0 a hole, 1 its own store, 2 what that was cloned from, and so on. */
export type Depth = { readonly offset: number; readonly length: number; readonly depth: number };

/** What is asked of a volume's objects without changing them. Errors as ObjectStore's. */
export interface ObjectReader {
  sizeOf(object: ObjectId): number;
  read(object: ObjectId, offset: number, into: Uint8Array): Settled<void>;
  /** As BlockDevice.extents. */
  extents(object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Extent[]>;
  prefetch(object: ObjectId, offset: number, length: number): Settled<void>;
  /** What of a range is other than a snapshot has it; the runs cover the range from its start on, at most `limit` of them. */
  changesSince(
    object: ObjectId,
    since: SnapshotId,
    offset: number,
    length: number,
    limit: number,
  ): Settled<readonly Change[]>;
  /** Where what a range has comes from; the runs cover the range from its start on, at most `limit` of them. */
  depths(object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Depth[]>;
  /** What a snapshot beside it has as well, or the volume behind the newest, is shared. Looks at what changed since the one before. */
  spaceOf(object: ObjectId): Settled<Space>;
}

/** A volume as a snapshot has it: to read, whatever happens to the volume. */
export interface SnapshotView extends ObjectReader {
  readonly id: SnapshotId;
  close(): void;
}

/** Ordered, binary. At most 1,500 bytes for a key, 60 KiB for a value. */
export type RecordChange = { readonly key: Uint8Array; readonly value: Uint8Array | null };

/**
 * Where a volume's history stands. `sequence` is the volume's: one up for each operation applied; `epoch` names the
 * primary that gave it (always 1 in a store of one machine).
 */
export type Position = { readonly epoch: number; readonly sequence: number };

/** Bytes, exact at 4 KiB. */
export type Space = {
  /** Sum of the objects' sizes. */
  readonly virtualBytes: number;
  /** What the set takes in data files, its share of preallocated room included. */
  readonly allocatedBytes: number;
  /** What would come back if the set were deleted. */
  readonly exclusiveBytes: number;
  /** `allocatedBytes - exclusiveBytes`. */
  readonly sharedBytes: number;
  /** What `allocatedBytes` would be if nothing were compressed. */
  readonly uncompressedBytes: number;
};

/** What an object takes of its store's room. */
export type Usage = Pick<Space, 'allocatedBytes' | 'uncompressedBytes'>;

/** Whether a store's blocks are compressed, and how. */
export const compressions = ['off', 'zstd'] as const;

export type Compression = (typeof compressions)[number];

export type Preallocation = 'off' | 'falloc' | 'full';

/** Records of the store that another was cloned from, as they are now, whether that is open or not. */
export type OriginRecords = Pick<ObjectStore, 'getRecord' | 'scanRecords'> & {
  /** What was cloned. */
  readonly snapshot: SnapshotId;
  /** Of a store that is a clone itself. */
  readonly origin: OriginRecords | undefined;
};

/**
 * One volume's objects and records: what a store keeps for it, in one sequence. Volumes and file trees are
 * written once, above this; the local chunk store and the replicated store implement it.
 *
 * - Offsets and lengths are bytes; any alignment (what is not whole 4 KiB blocks is merged by the store).
 * - Reading past an object's size is `out-of-range`; so is writing: `truncate` grows first.
 * - Settled = appended to the journal (survives the process); `durable` or a later settled `sync` = survives power loss.
 * - The caller owns buffers until an operation settles. Nothing is copied that need not be.
 * - No room: `no-space` for what needs new room; overwrites, reads, trims and deletes go on.
 * - Failing verification: `corrupt`, with the offset of the first bad block in the error's context.
 */
export interface ObjectStore extends ObjectReader {
  /** Makes an empty object of that size (all hole). */
  create(sizeBytes: number, preallocation: Preallocation): Settled<ObjectId>;
  /** Deletes it; its space comes back in the background. */
  delete(object: ObjectId): Settled<void>;
  /** Blocks of zeros are trimmed by it, unless the object was preallocated. */
  write(object: ObjectId, offset: number, from: Uint8Array, durable: boolean): Settled<void>;
  /** Afterwards it reads as zeros and takes no space. */
  trim(object: ObjectId, offset: number, length: number, durable: boolean): Settled<void>;
  /** Afterwards it reads as zeros; `keepAllocated`: room for it stays reserved. */
  zero(object: ObjectId, offset: number, length: number, keepAllocated: boolean, durable: boolean): Settled<void>;
  /** Grows (with hole) or shrinks; what was cut off is gone when it grows again. */
  truncate(object: ObjectId, sizeBytes: number): Settled<void>;

  /**
   * Applies all changes or none, in the same sequence as the writes. Fails with `no-space` where they take more room than they give up and there is none; `givesBack`: room comes
   * back by them, so that they may take of what is kept for that.
   */
  commit(changes: readonly RecordChange[], durable: boolean, givesBack?: boolean): Settled<void>;
  getRecord(key: Uint8Array): Settled<Uint8Array | undefined>;
  /** Records with `from` ≤ key < `to` in byte order, at most `limit`. */
  scanRecords(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Settled<readonly { key: Uint8Array; value: Uint8Array }[]>;

  /** What it was cloned from, which a clone has no records of its own of; nothing where it is no clone. */
  readonly origin: OriginRecords | undefined;

  /**
   * Keeps the volume as it is at one moment before it settles: all that settled before the call is in it. Settles when it is
   * durable. Costs the same whatever the volume's size.
   */
  snapshot(): Settled<SnapshotId>;
  /** In the order in which they were taken. */
  snapshots(): readonly Snapshot[];
  /** Until it is closed the snapshot cannot be deleted (`busy`). */
  openSnapshot(snapshot: SnapshotId): SnapshotView;
  /** What only it had comes back in the background. `not-found`, `busy` while it is open or something was cloned from it. */
  deleteSnapshot(snapshot: SnapshotId): Settled<void>;

  /** Makes durable all that settled before this call; N waiting ones cost one sync. */
  sync(): Settled<void>;
  readonly position: Position;
  /** Raised by each recovery that may have dropped something acknowledged. */
  readonly lossGeneration: number;
  /** At once, whatever there is. */
  usageOf(object: ObjectId): Settled<Usage>;
  /** Of all objects. */
  space(): Settled<Space>;
  /** Settles when everything in flight has and the clean position is on record. */
  close(): Promise<void>;
}
