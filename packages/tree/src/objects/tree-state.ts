import {
  andThen,
  AshlarError,
  isPromise,
  type Clock,
  type FileHandle,
  type ObjectId,
  type ObjectStore,
  type Random,
  type Receipt,
  type RecordChange,
  type Settled,
} from '@ashlar/core';
import type { TreeClock } from './attributes.ts';
import type { HashKey } from './entries.ts';
import type { FileBytes } from './file-bytes.ts';
import { handleIn } from './handles.ts';
import type { Inode } from './inode.ts';
import type { Inodes } from './inodes.ts';
import { prefix, receiptKey } from './keys.ts';
import type { RegionAllocator } from './region-allocator.ts';
import { encodeTreeSuperblock } from './superblock.ts';
import type { RecordsReader, TreeRecords } from './tree-records.ts';
import type { TreeRoom } from './tree-room.ts';
import type { Turns } from './turns.ts';
import type { FileGates } from './file-gates.ts';
import type { Holds } from './holds.ts';
import type { Placed } from './placed.ts';

export type TreeStore = Pick<
  ObjectStore,
  'commit' | 'getRecord' | 'scanRecords' | 'origin' | 'sizeOf' | 'read' | 'write' | 'trim' | 'extents' | 'sync'
>;

/** What the operations of one tree share. */
export type TreeState = {
  readonly store: TreeStore;
  readonly object: ObjectId;
  readonly hashKey: HashKey;
  readonly records: TreeRecords;
  readonly inodes: Inodes;
  readonly bytes: FileBytes;
  readonly regions: RegionAllocator;
  readonly room: TreeRoom;
  readonly turns: Turns;
  readonly gates: FileGates;
  readonly holds: Holds;
  /** Numbers of inodes from there on were given since the tree was opened. */
  readonly firstFresh: number;
  /** Once, since it was made, the tree was not closed before it was opened: behind the ends of its files may lie what their sizes were never made to have. */
  readonly wasCut: boolean;
  /** The same of files that a write to failed. */
  readonly frayed: Set<number>;
  readonly clock: TreeClock;
  readonly random: Random;
  /** Gives the bytes of a file back that is gone: behind everything else, and once its record says so. */
  readonly reclaim: (inode: Inode) => void;
  /** Settles when some of that came back, or nothing is left to come; nothing where nothing is under way. */
  readonly reclaimed: () => Promise<void> | undefined;
  readonly placed: Placed;
  /** Regions that are given again, and on record as free. */
  takenFree: RecordChange[];
  nextInode: number;
  /** Numbers from there on are given by nobody before the superblock says so: as it was written last, and as it surely is on record. */
  numbersEnd: number;
  recordedNumbersEnd: number;
};

export type TreeSeams = { readonly clock: Clock; readonly random: Random };

/** Changes that are made together or not at all. */
export class Batch {
  readonly changes: RecordChange[] = [];
  readonly inodes: Inode[] = [];
  readonly removed: number[] = [];
  /** Files that are gone, and whose bytes are to be given back. */
  readonly orphans: Inode[] = [];
  /** A number of an inode was given. */
  hasNumber = false;
  /** Regions were given. */
  hasGiven = false;
  /** Room comes back by it, or what it says was accepted before: it goes on record on a full disk too. */
  givesBack = false;

  put(inode: Inode): void {
    this.inodes.push(inode);
  }

  remove(inode: Inode): void {
    this.removed.push(inode.number);
  }

  orphan(key: Uint8Array, value: Uint8Array, inode: Inode): void {
    this.record(key, value);
    this.orphans.push(inode);
  }

  record(key: Uint8Array, value: Uint8Array | null): void {
    this.changes.push({ key, value });
  }

  /** What is to be kept with a result. */
  receipt<T>(receipt: Receipt<T> | undefined, result: T): void {
    if (receipt === undefined) return;
    const { owner, slot, value } = receipt(result);
    this.record(receiptKey(owner, slot), value);
  }
}

/** Where the superblock is. */
export const superblockKey: Uint8Array = Buffer.of(prefix.superblock);

/** So many numbers of inodes are put aside at once: most files are made without the superblock. */
const numbersAtOnce = 1024;

export const encodedSuperblock = (state: TreeState, isClean: boolean): Buffer => {
  const { hashKey, nextInode, object, regions } = state;
  if (isClean) state.numbersEnd = nextInode;
  else if (nextInode > state.numbersEnd) state.numbersEnd = nextInode + numbersAtOnce;
  const { end, lots } = regions;
  const isFrayed = state.wasCut || state.frayed.size > 0;
  return encodeTreeSuperblock({ hashKey, nextInode: state.numbersEnd, object, end, lots, isClean, isFrayed });
};

/**
 * Makes changes: whoever comes next sees them at once, and they survive the process when it settles. Where it fails they were never made, and what was known of the files
 * besides is as it was.
 */
export function commitBatch(state: TreeState, batch: Batch): Settled<void> {
  const { inodes, records } = state;
  const { changes } = batch;
  const undo: (() => void)[] = [];
  const numbers = [...batch.inodes, ...batch.orphans].map(({ number }) => number);
  const mustReserve = batch.hasNumber && state.nextInode > state.recordedNumbersEnd;
  const isGiven = batch.hasGiven || mustReserve || numbers.some((number) => state.placed.has(number));
  if (isGiven) undo.push(addGiven(state, batch));
  const { numbersEnd } = state;
  for (const inode of batch.inodes) {
    const [before] = inodes.dirtyOf(inode.number);
    inodes.change(inode);
    changes.push(...inodes.record(inode));
    undo.push(() => {
      // What came behind it has it in it: it goes on record with that.
      if (inodes.dirtyOf(inode.number)[0] !== inode) return;
      if (before === undefined) inodes.forget(inode.number);
      else inodes.change(before);
    });
  }
  for (const number of batch.removed) {
    const [before] = inodes.dirtyOf(number);
    changes.push(inodes.removal(number));
    if (before !== undefined) undo.push(() => inodes.change(before));
  }
  const done = (): void => {
    if (isGiven) state.recordedNumbersEnd = Math.max(state.recordedNumbersEnd, numbersEnd);
    for (const inode of batch.inodes) inodes.recorded(inode);
    for (const inode of batch.orphans) state.reclaim(inode);
  };
  const failed = (error: unknown): never => {
    for (const step of undo) step();
    throw error;
  };
  try {
    const committed = records.commit(changes, batch.givesBack);
    return isPromise(committed) ? committed.then(done, failed) : done();
  } catch (error) {
    return failed(error);
  }
}

/** What was given goes on record together with what has it: behind a crash nothing is given that nobody has. Gives what undoes it. */
function addGiven(state: TreeState, batch: Batch): () => void {
  const { changes } = batch;
  const placed: Inode[] = [];
  const taken = state.takenFree;
  const there = new Set(batch.inodes.map(({ number }) => number));
  for (const number of state.placed.numbers) {
    for (const inode of state.inodes.dirtyOf(number)) {
      placed.push(inode);
      if (!there.has(number)) batch.put(inode);
    }
  }
  state.placed.clear();
  changes.push(...taken, { key: superblockKey, value: encodedSuperblock(state, false) });
  state.takenFree = [];
  return () => {
    for (const inode of placed) state.placed.add(inode, 0);
    state.takenFree = [...taken, ...state.takenFree];
  };
}

/** What is needed to look at files: of the tree as it is, or as a snapshot has it. */
export type ReadState = {
  readonly hashKey: HashKey;
  readonly records: RecordsReader;
  readonly inodes: Inodes;
  readonly bytes: FileBytes;
  readonly gates: FileGates;
};

/** The inode of a handle. Fails with `bad-handle` and `stale`. */
export function inodeOf(state: Pick<ReadState, 'inodes'>, handle: FileHandle): Settled<Inode> {
  const { generation, inode } = handleIn(handle);
  return state.inodes.get(inode, generation);
}

/** The same of a directory: fails with `not-directory` for others. */
export function directoryOf(state: Pick<ReadState, 'inodes'>, handle: FileHandle): Settled<Inode> {
  return andThen(inodeOf(state, handle), (inode) => {
    if (inode.type === 'directory') return inode;
    throw new AshlarError('not-directory', 'what a name was looked for in is no directory');
  });
}
