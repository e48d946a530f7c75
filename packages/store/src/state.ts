import type { ObjectId, PoolState, RecordStore, StoreId } from '@ashlar/core';
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
import type { PageFile } from './page-file.ts';
import type { PageTree } from './page-tree.ts';
import type { RecordOverlay } from './records/record-overlay.ts';
import type { Room } from './room.ts';
import type { Scratch } from './scratch.ts';
import type { SlotBitmap } from './slot-bitmap.ts';

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
};

export type StoreState = {
  readonly id: StoreId;
  sequence: number;
  readonly objects: Map<ObjectId, ObjectState>;
  readonly records: RecordOverlay;
  /** Objects deleted since the last checkpoint. */
  readonly deleted: Set<ObjectState>;
  changed: boolean;
  open: boolean;
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
  readonly data: DataFiles;
  readonly records: RecordStore;
  readonly stores: Map<StoreId, StoreState>;
  readonly deleting: Map<ObjectId, PageTree>;
  readonly room: Room;
  readonly counters: { corruptBlocks: number; checkpoints: number };
  readonly overlayChunks: OverlayChunks;
  readonly slotWrites: SlotWrites;
  /** Bytes that may gather in the caches of the host and the disk before they are let out. */
  readonly trickleBytes: number;
  /** Slots that large writes took since the last checkpoint began. */
  freshSlots: number;
  readonly broken: BrokenRule | undefined;
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
