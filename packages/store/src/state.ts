import type { Compression, ObjectId, PoolState, SnapshotId, StoreId } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { BlockArena } from './block-arena.ts';
import type { BlockCache } from './block-cache.ts';
import type { BlockLocks } from './block-locks.ts';
import type { BrokenRule } from './broken-rule.ts';
import type { DataFiles } from './data-files.ts';
import type { SlotWrites } from './fresh-slot.ts';
import type { GroupCommit } from './group-commit.ts';
import type { OverlayChunks } from './overlay-chunks.ts';
import type { Overlay } from './overlay.ts';
import type { OwnBlocks } from './own-blocks.ts';
import type { PageFile } from './page-file.ts';
import type { PageTree, TreeRoot } from './page-tree.ts';
import type { KeptRecords } from './records/kept-records.ts';
import type { RecordOverlay } from './records/record-overlay.ts';
import type { Reservation } from './reservation.ts';
import type { Room } from './room.ts';
import type { Scratch } from './scratch.ts';
import type { SlotBitmap } from './slot-bitmap.ts';
import type { SlotPlaces } from './slot-places.ts';

/** A snapshot of a store. Its number is the generation that it ended. */
export type SnapshotState = {
  readonly id: SnapshotId;
  /** The volume's, when it was taken. */
  readonly sequence: number;
  /** What was born up to then may be its; nothing before a checkpoint brought its generation home. */
  birth: number | undefined;
  /** Views that are open. */
  openers: number;
  /** It is deleted, and what it has not yet handed to the background. */
  isDropped: boolean;
};

/** What a reader needs of an object, as it is or as a snapshot has it. */
export type Readable = {
  readonly store: StoreId;
  readonly sizeBytes: number;
  readonly tree: Pick<PageTree, 'root' | 'leaf' | 'nextLeaf'>;
  readonly overlay: Pick<Overlay, 'isEmpty' | 'has' | 'layers' | 'layerOf'>;
};

/** One object in memory: its committed map, and what the journal has on top of it. */
export type ObjectState = {
  readonly id: ObjectId;
  readonly store: StoreId;
  /** What callers see. */
  sizeBytes: number;
  /** What the journal says; lags behind while a shrink clears the tail. */
  journaledSize: number;
  readonly tree: PageTree;
  readonly overlay: Overlay;
  readonly locks: BlockLocks;
  /** Blocks of data and kept room in the committed map, and in the one that the running checkpoint makes. */
  committedBlocks: number;
  mappedBlocks: number;
  /** Of these, what no snapshot has. */
  readonly own: OwnBlocks;
  /** How many blocks less these are than what they hold, by compression. */
  committedSaved: number;
  mappedSaved: number;
  /** What the committed map and size are of: the generation of the last change to them, and that in which the object was made. */
  generation: number;
  readonly created: number;
  /** Made with all of its room: zeros that are written to it keep theirs. */
  readonly keepsRoom: boolean;
  committedSize: number;
  /** The same of what the running checkpoint has brought home so far. */
  work: { readonly generation: number; readonly sizeBytes: number };
  /** The generation in which it was deleted. */
  deletedIn: number | undefined;
};

export type StoreState = {
  readonly id: StoreId;
  sequence: number;
  /** What comes now belongs to it; a snapshot ends it. */
  generation: number;
  /** In their order. */
  snapshots: SnapshotState[];
  /** What was born up to then is of the store that this one was cloned from; -1 where it was not. */
  floor: number;
  origin: { readonly store: StoreId; readonly snapshot: SnapshotId } | undefined;
  /** What of that was copied since the start. */
  flattening: Flattening | undefined;
  /** What comes home is compressed where that saves room. */
  compression: Compression;
  readonly objects: Map<ObjectId, ObjectState>;
  readonly records: RecordOverlay;
  /** Objects deleted since the last checkpoint. */
  readonly deleted: Set<ObjectState>;
  /** Room that is kept for it; none while it is of 0 bytes. */
  readonly reservation: Reservation;
  /** What its own blocks are is kept known. */
  isCounted: boolean;
  changed: boolean;
  open: boolean;
};

/** Up to where a clone's maps have nothing of its origin: objects in the order of their numbers, and leaves of the one. */
export type FlattenPlace = { readonly object: ObjectId; readonly leaf: number; readonly damagedBlocks: number };

/** How far a clone has copied what it has of its origin: as the running checkpoint has it, and as the last one committed it. */
export type Flattening = {
  /** The next checkpoint is to copy some more. */
  isWanted: boolean;
  reached: FlattenPlace;
  committed: FlattenPlace;
};

/**
 * A map that is nobody's any more: of an object that was deleted or rolled back, or of a snapshot that was. It is freed leaf by leaf, as
 * many in a checkpoint as that has time for, in the same commit as what it frees: it can stop anywhere.
 */
export type DeadTree = {
  readonly store: StoreId;
  readonly object: ObjectId;
  readonly root: TreeRoot;
  /** What was born up to then belongs to an older snapshot, or to what the store was cloned from, and stays. */
  readonly floor: number;
  /** The snapshot that it was of: the state behind it keeps what it has as well. -1 where there is none behind it. */
  readonly snapshot: SnapshotId;
  /** The birth of that snapshot. */
  readonly birth: number;
  /** Leaves below are done: as the running checkpoint has it, and as the last one committed it. */
  cursor: number;
  committedCursor: number;
};

/** Everything the parts of an open pool share. One thread owns it. */
export type PoolParts = {
  readonly host: Host;
  readonly path: string;
  readonly poolId: string;
  readonly chunkSizeBytes: number;
  readonly blocksEach: number;
  readonly arena: BlockArena;
  readonly cache: BlockCache;
  readonly scratch: Scratch;
  /** A block of zeros that any file may be written from. */
  readonly zeros: Uint8Array;
  readonly slots: SlotBitmap;
  readonly pages: PageFile;
  /** Checksums by slot: a leaf holds those of 1,024 blocks. One is looked at in the turn in which it is given. */
  readonly checksums: PageTree;
  readonly places: SlotPlaces;
  readonly data: DataFiles;
  readonly records: KeptRecords;
  readonly stores: Map<StoreId, StoreState>;
  /** By number: in the order in which they died. */
  readonly dead: Map<number, DeadTree>;
  readonly room: Room;
  /** `damagedRecords`: when all of them were looked at last. */
  readonly counters: { corruptBlocks: number; checkpoints: number; damagedRecords: number };
  readonly overlayChunks: OverlayChunks;
  readonly slotWrites: SlotWrites;
  /** Bytes that may gather in the caches of the host and the disk before they are let out. */
  readonly trickleBytes: number;
  /** Leaves of dead maps that one checkpoint frees. */
  readonly deadLeavesAtOnce: number;
  /** Slots that large writes took since the last checkpoint began. */
  freshSlots: number;
  readonly broken: BrokenRule | undefined;
  /** Free slots may keep room of a process that was killed. */
  hasStrays: boolean;
  group: GroupCommit;
  /** Settles behind a checkpoint, whether it succeeded or not. */
  relieve: () => Promise<void>;
  birth: number;
  nextObject: number;
  nextStore: number;
  lossGeneration: number;
  /** The loss generation at which promised writes were lost last; 0 when none ever were. */
  promisedLossGeneration: number;
  state: PoolState;
  reason: string | undefined;
};
