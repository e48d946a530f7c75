import { AshlarError, andThen, errorKindOf, isPromise, type Settled } from '@ashlar/core';
import { blockSize, firstDamaged } from './checksum.ts';
import { entriesEach, slotOf } from './format/map-leaf.ts';
import { corrupt, firstArena, nothing } from './overlay.ts';
import type { ChunkOverlay, SlotRef } from './overlay-chunks.ts';
import type { Page } from './page-file.ts';
import type { ObjectState, PoolParts } from './state.ts';

/** Where a run of blocks lies in a slot, and what part of it is wanted where. */
type Run = {
  readonly slot: number;
  readonly ref: SlotRef | undefined;
  readonly block: number;
  readonly blocks: number;
};

/** Reads [offset, offset + into.length) of an object. The range was checked. */
export function readObject(pool: PoolParts, object: ObjectState, offset: number, into: Uint8Array): Settled<void> {
  const { chunkSizeBytes } = pool;
  let waiting: Promise<void>[] | undefined;
  for (let at = 0; at < into.length;) {
    const place = offset + at;
    const chunk = Math.floor(place / chunkSizeBytes);
    const start = place - chunk * chunkSizeBytes;
    const length = Math.min(chunkSizeBytes - start, into.length - at);
    const result = readChunk(pool, object, chunk, start, length, into, at);
    if (isPromise(result)) (waiting ??= []).push(result);
    at += length;
  }
  return waiting === undefined ? undefined : Promise.all(waiting).then(() => undefined);
}

/**
 * Reads a part of one chunk: what the overlay has from memory, the rest from the slots that the map names. Behind a
 * checkpoint's commit slots are used again, so a reader that waited while one committed reads anew (rule 1).
 */
function readChunk(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  start: number,
  length: number,
  into: Uint8Array,
  at: number,
): Settled<void> {
  const { checkpoints } = pool.counters;
  const firstBlock = Math.floor(start / blockSize);
  const lastBlock = Math.floor((start + length - 1) / blockSize);
  const { overlay } = object;
  const covered = !overlay.isEmpty && isCovered(object, chunk, firstBlock, lastBlock);
  const leaf = covered ? undefined : object.tree.leaf(Math.floor(chunk / entriesEach));
  const read = (page: Page | undefined): Settled<void> =>
    readBlocks(pool, object, chunk, start, length, into, at, page);
  const again = (): Settled<void> => readChunk(pool, object, chunk, start, length, into, at);
  const isStale = (): boolean => checkpoints !== pool.counters.checkpoints;
  try {
    const result = isPromise(leaf) ? leaf.then((page) => (isStale() ? undefined : read(page))) : read(leaf);
    if (!isPromise(result)) return result;
    return result.then(
      () => (isStale() ? again() : undefined),
      (error: unknown) => (isStale() ? again() : failed(pool, error)),
    );
  } catch (error) {
    return failed(pool, error);
  }
}

function failed(pool: PoolParts, error: unknown): never {
  if (errorKindOf(error) === 'corrupt') pool.counters.corruptBlocks += 1;
  throw error;
}

function isCovered(object: ObjectState, chunk: number, firstBlock: number, lastBlock: number): boolean {
  for (let block = firstBlock; block <= lastBlock; block += 1) {
    if (object.overlay.layerOf(chunk, block) === undefined) return false;
  }
  return true;
}

function readBlocks(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  start: number,
  length: number,
  into: Uint8Array,
  at: number,
  leaf: Page | undefined,
): Settled<void> {
  const entry = chunk % entriesEach;
  const lastBlock = Math.floor((start + length - 1) / blockSize);
  let waiting: Promise<void>[] | undefined;
  for (let block = Math.floor(start / blockSize); block <= lastBlock;) {
    const layer = object.overlay.isEmpty ? undefined : object.overlay.layerOf(chunk, block);
    const code = layer?.codes[block] ?? nothing;
    const from = Math.max(start, block * blockSize);
    const to = Math.min(start + length, (block + 1) * blockSize);
    if (layer !== undefined && code >= firstArena) {
      pool.arena.copyOut(code - firstArena, from - block * blockSize, to - block * blockSize, into, at + from - start);
      block += 1;
      continue;
    }
    if (code === corrupt) throw corruptBlock(chunk * pool.chunkSizeBytes + block * blockSize, String(object.store));
    const slot = sourceSlot(layer, code, leaf, entry, block);
    if (slot < 0) {
      into.fill(0, at + from - start, at + to - start);
      block += 1;
      continue;
    }
    let blocks = 1;
    while (block + blocks <= lastBlock && continues(object, chunk, block + blocks, layer, leaf, entry, slot))
      blocks += 1;
    const end = Math.min(start + length, (block + blocks) * blockSize);
    const ref = code < 0 ? layer?.slots[-1 - code] : undefined;
    const target = into.subarray(at + from - start, at + end - start);
    const result = readRun(pool, { slot, ref, block, blocks }, from - block * blockSize, target, {
      volume: String(object.store),
      offset: chunk * pool.chunkSizeBytes + block * blockSize,
    });
    if (isPromise(result)) (waiting ??= []).push(result);
    block += blocks;
  }
  return waiting === undefined ? undefined : Promise.all(waiting).then(() => undefined);
}

/** The slot that a block lies in, -1 where it reads as zeros. */
function sourceSlot(
  layer: ChunkOverlay | undefined,
  code: number,
  leaf: Page | undefined,
  entry: number,
  block: number,
): number {
  if (code < 0) return layer?.slots[-1 - code]?.slot ?? -1;
  if (code !== nothing || leaf === undefined) return -1;
  return slotOf(leaf.view, entry, block);
}

function continues(
  object: ObjectState,
  chunk: number,
  block: number,
  layer: ChunkOverlay | undefined,
  leaf: Page | undefined,
  entry: number,
  slot: number,
): boolean {
  const next = object.overlay.isEmpty ? undefined : object.overlay.layerOf(chunk, block);
  if (next !== layer) return false;
  const code = next?.codes[block] ?? nothing;
  return code < firstArena && sourceSlot(next, code, leaf, entry, block) === slot;
}

type Where = { readonly volume: string; readonly offset: number };

/** Reads and verifies blocks of one slot. Whole blocks go straight to where they are wanted. */
function readRun(pool: PoolParts, run: Run, skip: number, target: Uint8Array, where: Where): Settled<void> {
  const whole = skip === 0 && target.length === run.blocks * blockSize;
  const bytes = whole ? target : new Uint8Array(run.blocks * blockSize);
  const finish = (count: number): Settled<void> => {
    bytes.fill(0, count);
    return andThen(checksumsOf(pool, run), (checksums) => {
      verify(bytes, checksums.words, checksums.at, where);
      if (!whole) target.set(bytes.subarray(skip, skip + target.length));
    });
  };
  const read = pool.data.read(run.slot, run.block, bytes);
  return isPromise(read) ? read.then(finish) : finish(read);
}

/** The checksums of a run's blocks: of the overlay where it names the slot, else of the committed table. */
function checksumsOf(pool: PoolParts, run: Run): Settled<{ words: Uint32Array; at: number }> {
  if (run.ref !== undefined) return { words: run.ref.checksums, at: run.block };
  const number = run.slot * pool.blocksEach + run.block;
  const leaf = pool.checksums.leaf(Math.floor(number / checksumsEach));
  return andThen(leaf, (page) => ({
    words: page === undefined ? noChecksums : wordsOf(page),
    at: number % checksumsEach,
  }));
}

/** Checksums in one leaf of the table. */
export const checksumsEach = blockSize / 4;

const noChecksums = new Uint32Array(checksumsEach);

export function wordsOf(page: Page): Uint32Array {
  return new Uint32Array(page.bytes.buffer, page.bytes.byteOffset, checksumsEach);
}

function verify(bytes: Uint8Array, checksums: Uint32Array, at: number, where: Where): void {
  const damaged = firstDamaged(bytes, checksums, at);
  if (damaged >= 0) throw corruptBlock(where.offset + damaged * blockSize, where.volume);
}

function corruptBlock(offset: number, volume: string): AshlarError {
  const message = `the block at ${offset} does not match its checksum: the disk returned other data than was written`;
  return new AshlarError('corrupt', message, { volume, offset, length: blockSize, operation: 'read' });
}
