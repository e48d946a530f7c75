import {
  AshlarError,
  allDone,
  andThen,
  assert,
  errorKindOf,
  hasZeroBlock,
  isPromise,
  KiB,
  MiB,
  zeroRuns,
  type Settled,
} from '@ashlar/core';
import { blockSize, checksumBlocks } from './checksum.ts';
import { seemsToPack } from './format/packed-piece.ts';
import { takeSlot } from './fresh-slot.ts';
import { thenSync } from './group-commit.ts';
import { firstArena } from './overlay.ts';
import { slotBlock, type ChunkOverlay, type SlotRef } from './chunk-overlay.ts';
import { isPromisedAtOnce, promiseRoom } from './promise-room.ts';
import { readObject } from './read.ts';
import type { Reservation } from './reservation.ts';
import { nextSequence } from './snapshots.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import { beginChange, type Target } from './target.ts';
import { writeZeros } from './zero-blocks.ts';

/** Writes of this size and more within one chunk go to fresh slots; smaller ones into the journal. */
const largeBytes = 64 * KiB;

/** Of what is to be compressed so much is let in at once: all of it takes memory, and goes through the journal. */
const mostPackedBytes = MiB;

/** Bytes of memory that a write takes until a checkpoint: only small ones lie there, and what is to be compressed. */
export function debtOf({ compression }: StoreState, length: number): number {
  return length < largeBytes || compression !== 'off' ? length : 0;
}

/** Whether a write takes memory or the journal's room by parts, each let in by itself: `writeByParts`. */
export function isByParts({ compression }: StoreState, length: number): boolean {
  return compression !== 'off' && length > mostPackedBytes;
}

/** Writes a long range part by part. `admit`: what must be waited for before so many bytes are added to the debt. */
export async function writeByParts(
  target: Target,
  offset: number,
  from: Uint8Array,
  admit: (bytes: number) => Promise<void> | undefined,
): Promise<void> {
  for (let at = 0; at < from.length;) {
    const length = Math.min(mostPackedBytes - ((offset + at) % mostPackedBytes), from.length - at);
    await admit(debtOf(target.store, length));
    checkRange(target.object, 'write', offset + at, length);
    await writeObject(target, offset + at, from.subarray(at, at + length), false);
    at += length;
  }
}

/** Writes any range of an object. The range was checked and the debt admitted. */
export function writeObject(target: Target, offset: number, from: Uint8Array, durable: boolean): Settled<void> {
  if (from.length === 0) return durable ? target.pool.group.sync() : undefined;
  const { locks } = target.object;
  const end = offset + from.length;
  const before = locks.waitFor(offset, end);
  if (before !== undefined) return before.then(() => writeObject(target, offset, from, durable));
  const written = writeNow(target, offset, from);
  return durable ? thenSync(written, target.pool.group) : written;
}

/** What takes effect at once, as small writes do, needs no lock; others have their blocks for themselves until they did. */
function writeNow(target: Target, offset: number, from: Uint8Array): Settled<void> {
  const end = offset + from.length;
  const { locks } = target.object;
  if (offset % blockSize !== 0 || end % blockSize !== 0) {
    const last = floorBlock(end + blockSize - 1);
    return locks.run(floorBlock(offset), last, () => writeMerged(target, offset, from));
  }
  // Where room is short it is counted first, which takes a while.
  if (from.length < largeBytes && isPromisedAtOnce(target, offset, from.length))
    return writeBlocks(target, offset, from);
  return locks.run(offset, end, async () => writeBlocks(target, offset, from));
}

/** Reads the blocks at the ends, merges, and writes whole blocks: the journal knows no others. `keep`: also those that are zeros keep their room. */
export async function writeMerged(target: Target, offset: number, from: Uint8Array, keep = false): Promise<void> {
  const { pool, object } = target;
  const first = floorBlock(offset);
  const merged = new Uint8Array(floorBlock(offset + from.length + blockSize - 1) - first);
  const limit = Math.max(0, object.journaledSize - first);
  if (offset !== first) await readObject(pool, object, first, merged.subarray(0, Math.min(blockSize, limit)));
  const last = merged.length - blockSize;
  // What is behind the end of the object is zeros.
  const isPart = (offset + from.length) % blockSize !== 0 && offset + from.length < object.journaledSize;
  if (isPart && (last > 0 || offset === first)) {
    await readObject(pool, object, first + last, merged.subarray(last, Math.min(merged.length, limit)));
  }
  merged.set(from, offset - first);
  await (keep ? writeData(target, first, merged) : writeBlocks(target, first, merged));
}

/** Whole blocks. Those that are zeros become holes, unless the object's room is kept whatever is in it. */
function writeBlocks(target: Target, offset: number, from: Uint8Array): Settled<void> {
  if (target.object.keepsRoom || !hasZeroBlock(from, blockSize)) return writeData(target, offset, from);
  const waiting: Settled<void>[] = [];
  for (const { isZero, start, end } of zeroRuns(from, blockSize)) {
    if (isZero) waiting.push(writeZeros(target, offset + start, offset + end));
    else waiting.push(writeData(target, offset + start, from.subarray(start, end)));
  }
  return allDone(waiting);
}

/** Each chunk's part by its size. */
function writeData(target: Target, offset: number, from: Uint8Array): Settled<void> {
  const { pool, store } = target;
  const { generation } = store;
  const promised = promiseRoom(target, offset, from.length);
  const isSmall = from.length < largeBytes && (offset % pool.chunkSizeBytes) + from.length <= pool.chunkSizeBytes;
  if (isSmall && !isPromise(promised)) {
    const written = writeSmall(target, offset, from);
    pool.room.recorded(promised, store.reservation);
    return written;
  }
  return andThen(promised, (bytes) => {
    if (store.generation === generation) {
      return settledRoom(pool, bytes, writeParts(target, offset, from), store.reservation);
    }
    pool.room.withdraw(bytes, store.reservation);
    return writeData(target, offset, from);
  });
}

/** The promise is settled by the checkpoint that comes behind the end of an operation, however that ended. */
function settledRoom({ room }: PoolParts, bytes: number, written: Settled<void>, store?: Reservation): Settled<void> {
  if (isPromise(written)) return written.finally(() => room.recorded(bytes, store));
  room.recorded(bytes, store);
}

function writeParts(target: Target, offset: number, from: Uint8Array): Settled<void> {
  const { chunkSizeBytes } = target.pool;
  const waiting: Settled<void>[] = [];
  for (let at = 0; at < from.length;) {
    const start = (offset + at) % chunkSizeBytes;
    const length = Math.min(chunkSizeBytes - start, from.length - at);
    const part = from.subarray(at, at + length);
    waiting.push(isLarge(target, part) ? writeLarge(target, offset + at, part) : writeSmall(target, offset + at, part));
    at += length;
  }
  return allDone(waiting);
}

/** Whether a part of a chunk goes to a fresh slot: what is to be compressed is written to the disk as it is in the journal only. */
function isLarge({ store }: Target, part: Uint8Array): boolean {
  return part.length >= largeBytes && (store.compression === 'off' || !seemsToPack(part));
}

/** Into the journal and the overlay: one copy, one checksum a block. */
function writeSmall(target: Target, offset: number, from: Uint8Array): Promise<void> {
  const { pool, store, object } = target;
  const { arena, group } = pool;
  const blocks = from.length / blockSize;
  const chunk = Math.floor(offset / pool.chunkSizeBytes);
  const firstBlock = (offset % pool.chunkSizeBytes) / blockSize;
  const builder = group.record(24 + blocks * 4, blocks);
  beginChange(target);
  const overlay = object.overlay.chunk(chunk);
  const checksums = blocks === 1 ? oneChecksum : new Uint32Array(blocks);
  checksumBlocks(from, checksums, 0);
  for (let index = 0; index < blocks; index += 1) {
    const block = arena.allocate();
    const bytes = arena.bytes(block);
    bytes.set(blocks === 1 ? from : from.subarray(index * blockSize, (index + 1) * blockSize));
    arena.setChecksum(block, checksums[index] ?? 0);
    group.part(bytes);
    const hidden = object.overlay.set(overlay, firstBlock + index, block + firstArena);
    if (hidden >= 0) group.retire(hidden);
  }
  builder.data({ store: store.id, sequence: nextSequence(store) }, object.id, offset, checksums);
  return group.added();
}

/** What a record of one block takes its checksum from: most writes are such, and allocate nothing. */
const oneChecksum = new Uint32Array(1);

/** Into a slot that nothing refers to yet, then a record that points there. The bytes are not copied. */
function writeLarge(target: Target, offset: number, from: Uint8Array): Settled<void> {
  const { pool } = target;
  // On a disk that is almost full an overwrite goes where it has room: a part of a chunk may have the whole copied together.
  const needed = from.length === pool.chunkSizeBytes ? from.length : from.length + pool.chunkSizeBytes;
  if (!pool.room.holds(needed)) return writeSmall(target, offset, from);
  return settledRoom(pool, needed, writeFresh(target, offset, from));
}

function writeFresh(target: Target, offset: number, from: Uint8Array): Settled<void> {
  const { pool, store, object } = target;
  const { generation } = store;
  const chunk = Math.floor(offset / pool.chunkSizeBytes);
  const block = (offset % pool.chunkSizeBytes) / blockSize;
  const blocks = from.length / blockSize;
  // Behind a snapshot what was promised is not enough any more.
  const again = (write: typeof writeData): Settled<void> =>
    (store.generation === generation ? write : writeData)(target, offset, from);
  const ref = freshSlot(target, chunk, block, blocks);
  ref.blocks.fill(slotBlock.begun, block, block + blocks);
  // Now, while the bytes are near the processor. Nobody looks for the slot's blocks before a record names it.
  checksumBlocks(from, ref.checksums, block);
  pool.cache.insertWritten(ref.slot * pool.blocksEach + block, from);
  pool.slotWrites.begin(ref.slot);
  const record = (): Settled<void> => {
    pool.slotWrites.end(ref.slot);
    beginChange(target);
    const overlay = object.overlay.active.get(chunk);
    const index = overlay?.slots.indexOf(ref) ?? -1;
    // A checkpoint or a snapshot took the chunk while the bytes were on their way: the slot belongs to it now.
    if (overlay === undefined || index < 0) return again(writeLarge);
    return recordLarge(target, chunk, overlay, index, block, blocks);
  };
  const failed = (error: unknown): Settled<void> => {
    pool.slotWrites.end(ref.slot);
    return andThen(giveSlotBack(pool, object, chunk, ref), () => {
      // An overwrite has its room where its blocks are: by the journal it gets there without taking more (promise 6).
      if (errorKindOf(error) !== 'no-space') throw error;
      return again(writeSmall);
    });
  };
  let written: Settled<void>;
  try {
    written = pool.data.writeNamed(ref.slot, block, from);
  } catch (error) {
    return failed(error);
  }
  return isPromise(written) ? written.then(record, failed) : record();
}

/** Blocks have landed in one of a chunk's fresh slots. A change of the object has begun. */
function recordLarge(
  target: Target,
  chunk: number,
  overlay: ChunkOverlay,
  index: number,
  block: number,
  blocks: number,
): Settled<void> {
  const { pool, store, object } = target;
  const ref = overlay.slots[index];
  assert(ref !== undefined, 'a slot that is recorded is one of its chunk');
  ref.blocks.fill(slotBlock.landed, block, block + blocks);
  const builder = pool.group.record(40 + blocks * 4, 0);
  for (let at = 0; at < blocks; at += 1) {
    const hidden = object.overlay.set(overlay, block + at, -1 - index);
    if (hidden >= 0) pool.group.retire(hidden);
  }
  const place = { store: store.id, sequence: nextSequence(store) };
  builder.slots(place, object.id, chunk, ref.slot, block, ref.checksums.subarray(block, block + blocks));
  return pool.group.added();
}

/** The chunk's newest fresh slot where its blocks are still untouched, so that a sequential writer fills one; else a new one. */
function freshSlot(target: Target, chunk: number, block: number, blocks: number): SlotRef {
  const { pool, object } = target;
  beginChange(target);
  const overlay = object.overlay.chunk(chunk);
  const last = overlay.slots.at(-1);
  if (last?.blocks.subarray(block, block + blocks).every((state) => state === slotBlock.untouched)) return last;
  const ref: SlotRef = {
    slot: takeSlot(pool),
    checksums: new Uint32Array(pool.blocksEach),
    blocks: new Uint8Array(pool.blocksEach),
  };
  overlay.slots.push(ref);
  pool.freshSlots += 1;
  return ref;
}

/** After a write that failed: where nothing of the chunk lies in the slot it goes back, else the next checkpoint finds it unused. */
function giveSlotBack(pool: PoolParts, object: ObjectState, chunk: number, ref: SlotRef): Settled<void> {
  const overlay = object.overlay.active.get(chunk);
  const used = overlay?.codes.some((code) => code < 0) ?? false;
  if (used || overlay?.slots.at(-1) !== ref || pool.slotWrites.isBusy(ref.slot)) return;
  overlay.slots.pop();
  return andThen(pool.data.giveBack(ref.slot, pool.blocksEach), () => pool.slots.release(ref.slot));
}

export function floorBlock(offset: number): number {
  return offset - (offset % blockSize);
}

/** A range inside the object, or an error that says by how much it is not. */
export function checkRange(
  object: Pick<ObjectState, 'sizeBytes'>,
  operation: string,
  offset: number,
  length: number,
): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= object.sizeBytes) return;
  throw new AshlarError(
    'out-of-range',
    `${operation} of ${length} bytes at ${offset} goes beyond the ${object.sizeBytes} there are`,
    {
      offset,
      length,
      operation,
    },
  );
}

/** Runs behind the admission: at once where nothing must be waited for. */
export function admitted<T>(wait: Promise<void> | undefined, operation: () => Settled<T>): Settled<T> {
  return wait === undefined ? operation() : andThen(wait, operation);
}
