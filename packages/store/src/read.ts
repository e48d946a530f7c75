import { AshlarError, allDone, andThen, errorKindOf, isPromise, type Settled } from '@ashlar/core';
import { blockSize, checksumOf, firstDamaged } from './checksum.ts';
import { entriesEach, packedIn, slotOf } from './format/map-leaf.ts';
import type { PackedPiece } from './format/packed-piece.ts';
import { corrupt, firstArena, nothing } from './overlay.ts';
import type { ChunkOverlay, SlotRef } from './chunk-overlay.ts';
import { readPacked } from './packed-read.ts';
import type { Page } from './page-file.ts';
import { checksumLeafOf, checksumsEach } from './slot-checksums.ts';
import type { PoolParts, Readable } from './state.ts';

/** A read of so many blocks at least comes straight from the disk unless all of it is cached: one transfer, and no copy. */
const longBlocks = 16;

/** A short read that the cache does not have brings the blocks around it along, in a window of so many, while there is room. */
const windowBlocks = 16;

/** What one call reads of one chunk, and where it goes. */
type Part = {
  readonly pool: PoolParts;
  readonly object: Readable;
  readonly chunk: number;
  /** Bytes within the chunk. */
  readonly start: number;
  readonly length: number;
  readonly into: Uint8Array;
  readonly at: number;
  /** How many checkpoints there had been when it began. */
  readonly checkpoints: number;
};

/** Blocks of a chunk that follow each other in one slot. */
type Run = {
  readonly slot: number;
  /** Of the overlay, where a fresh slot is meant that the map does not know yet. */
  readonly ref: SlotRef | undefined;
  readonly block: number;
  readonly blocks: number;
};

/** Reads [offset, offset + into.length) of an object. The range was checked. */
export function readObject(pool: PoolParts, object: Readable, offset: number, into: Uint8Array): Settled<void> {
  const { chunkSizeBytes } = pool;
  if (readCached(pool, object, offset, into)) return;
  const { checkpoints } = pool.counters;
  let waiting: Promise<void>[] | undefined;
  for (let at = 0; at < into.length;) {
    const place = offset + at;
    const chunk = Math.floor(place / chunkSizeBytes);
    const start = place - chunk * chunkSizeBytes;
    const length = Math.min(chunkSizeBytes - start, into.length - at);
    let result: Settled<void>;
    try {
      result = readChunk({ pool, object, chunk, start, length, into, at, checkpoints }, true);
    } catch (error) {
      return failBehind(waiting, error);
    }
    if (isPromise(result)) (waiting ??= []).push(result);
    at += length;
  }
  return waiting === undefined ? undefined : allDone(waiting);
}

/** Fails once what is under way does not use the caller's memory any more. */
function failBehind(waiting: readonly Promise<void>[] | undefined, error: unknown): Promise<void> {
  if (waiting === undefined) throw error;
  return allDone([...waiting, Promise.reject(error)]);
}

/** A read within one block that is in memory already, as most small ones are: nothing is made for it. */
function readCached(pool: PoolParts, object: Readable, offset: number, into: Uint8Array): boolean {
  const from = offset % blockSize;
  const to = from + into.length;
  if (to > blockSize) return false;
  const chunk = Math.floor(offset / pool.chunkSizeBytes);
  const block = Math.floor((offset % pool.chunkSizeBytes) / blockSize);
  if (!object.overlay.isEmpty) {
    const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
    if (code >= firstArena) pool.arena.copyOut(code - firstArena, from, to, into, 0);
    if (code !== nothing) return code >= firstArena;
  }
  const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
  if (isPromise(leaf)) {
    // Whoever reads it anew hears of it, where it is damaged.
    leaf.catch(() => undefined);
    return false;
  }
  if (leaf === undefined) return false;
  const slot = slotOf(leaf.view, chunk % entriesEach, block);
  return slot >= 0 && pool.cache.copyOut(slot * pool.blocksEach + block, from, to, into, 0);
}

/**
 * Reads a part of one chunk: what the overlay has from memory, the rest from the slots that the map names. Behind a
 * checkpoint's commit slots are used again, so a reader that waited while one committed reads anew; and what does not verify
 * is looked up once more, since a checkpoint that has not committed yet may have written over it (rule 1).
 */
function readChunk(part: Part, first: boolean): Settled<void> {
  let result: Settled<void>;
  try {
    result = readFound(part);
  } catch (error) {
    return recover(part, first, error);
  }
  if (!isPromise(result)) return result;
  return result.then(
    () => (isStale(part) ? readAnew(part, true) : undefined),
    (error: unknown) => recover(part, first, error),
  );
}

/** A checkpoint committed since this read began. */
function isStale({ pool, checkpoints }: Part): boolean {
  return checkpoints !== pool.counters.checkpoints;
}

function readAnew(part: Part, first: boolean): Settled<void> {
  return readChunk({ ...part, checkpoints: part.pool.counters.checkpoints }, first);
}

function recover(part: Part, first: boolean, error: unknown): Settled<void> {
  if (isStale(part)) return readAnew(part, true);
  if (errorKindOf(error) !== 'corrupt') throw error;
  if (first) return readAnew(part, false);
  part.pool.counters.corruptBlocks += 1;
  throw error;
}

function readFound(part: Part): Settled<void> {
  const { object, chunk, start, length } = part;
  const firstBlock = Math.floor(start / blockSize);
  const lastBlock = Math.floor((start + length - 1) / blockSize);
  const covered = !object.overlay.isEmpty && isCovered(object, chunk, firstBlock, lastBlock);
  if (covered) return readBlocks(part, undefined);
  const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
  if (!isPromise(leaf)) return readBlocks(part, leaf);
  return leaf.then((page) => (isStale(part) ? undefined : readBlocks(part, page)));
}

function isCovered(object: Readable, chunk: number, firstBlock: number, lastBlock: number): boolean {
  for (let block = firstBlock; block <= lastBlock; block += 1) {
    if (object.overlay.layerOf(chunk, block) === undefined) return false;
  }
  return true;
}

function readBlocks(part: Part, leaf: Page | undefined): Settled<void> {
  const { pool, object, chunk, start, length, into, at } = part;
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
    if (code === corrupt) return failBehind(waiting, corruptBlock(part, block));
    const slot = sourceSlot(layer, code, leaf, chunk % entriesEach, block);
    if (slot < 0) {
      into.fill(0, at + from - start, at + to - start);
      block += 1;
      continue;
    }
    let end = block + 1;
    while (end <= lastBlock && continues(part, end, layer, leaf, slot)) end += 1;
    const ref = code < 0 ? layer?.slots[-1 - code] : undefined;
    let result: Settled<void>;
    try {
      result = readRun(part, { slot, ref, block, blocks: end - block }, leaf);
    } catch (error) {
      return failBehind(waiting, error);
    }
    if (isPromise(result)) (waiting ??= []).push(result);
    block = end;
  }
  return waiting === undefined ? undefined : allDone(waiting);
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
  { object, chunk }: Part,
  block: number,
  layer: ChunkOverlay | undefined,
  leaf: Page | undefined,
  slot: number,
): boolean {
  const next = object.overlay.isEmpty ? undefined : object.overlay.layerOf(chunk, block);
  if (next !== layer) return false;
  const code = next?.codes[block] ?? nothing;
  return code < firstArena && sourceSlot(next, code, leaf, chunk % entriesEach, block) === slot;
}

/** Reads blocks of one slot: from the cache, or from the disk what is not there. */
function readRun(part: Part, run: Run, leaf: Page | undefined): Settled<void> {
  const { cache, blocksEach } = part.pool;
  const first = run.slot * blocksEach;
  let waiting: Promise<void>[] | undefined;
  for (let block = run.block, end = run.block + run.blocks; block < end;) {
    if (copyCached(part, run.slot, block)) {
      block += 1;
      continue;
    }
    const packed =
      leaf === undefined || run.ref !== undefined ? 0 : packedIn(leaf.view, part.chunk % entriesEach, run.slot);
    if (leaf !== undefined && packed > 0) {
      return readUnpacked(part, { ...run, block, blocks: end - block }, leaf, packed);
    }
    let stop = block + 1;
    if (run.blocks >= longBlocks) stop = end;
    else while (stop < end && !cache.has(first + stop)) stop += 1;
    const missing = { ...run, block, blocks: stop - block };
    const alone = leaf === undefined || run.ref !== undefined || missing.blocks >= longBlocks || !cache.hasRoom;
    let result: Settled<void>;
    try {
      result = alone ? readMissing(part, missing) : readWindow(part, missing, leaf);
    } catch (error) {
      return failBehind(waiting, error);
    }
    if (isPromise(result)) (waiting ??= []).push(result);
    block = stop;
  }
  return waiting === undefined ? undefined : allDone(waiting);
}

/** Copies what is wanted of a block, if it is cached. */
function copyCached({ pool, start, length, into, at }: Part, slot: number, block: number): boolean {
  const from = Math.max(start, block * blockSize);
  const to = Math.min(start + length, (block + 1) * blockSize);
  const base = block * blockSize;
  return pool.cache.copyOut(slot * pool.blocksEach + block, from - base, to - base, into, at + from - start);
}

/** Reads a run from the disk and verifies it. Whole blocks go straight to where they are wanted, if the device can reach that. */
function readMissing(part: Part, run: Run): Settled<void> {
  const { pool, start, length, into, at } = part;
  const from = Math.max(start, run.block * blockSize);
  const to = Math.min(start + length, (run.block + run.blocks) * blockSize);
  const target = into.subarray(at + from - start, at + to - start);
  const skip = from - run.block * blockSize;
  const whole = skip === 0 && target.length === run.blocks * blockSize;
  if (whole && pool.data.accepts(run.slot, target)) {
    return andThen(pool.data.read(run.slot, run.block, target), (count) => verified(part, run, target, count));
  }
  return readThrough(part, run, (bytes) => target.set(bytes.subarray(skip, skip + target.length)));
}

/** Reads a run into memory of the pool, and hands it over when it is verified. */
function readThrough(part: Part, run: Run, use: (bytes: Uint8Array) => void): Settled<void> {
  const { pool } = part;
  return pool.scratch.use(run.blocks * blockSize, (memory) => {
    const bytes = memory.subarray(0, run.blocks * blockSize);
    return andThen(pool.data.read(run.slot, run.block, bytes), (count) =>
      andThen(verified(part, run, bytes, count), () => use(bytes)),
    );
  });
}

/** What is shorter than its file says was never written: zeros, which do not verify. */
function verified(part: Part, run: Run, bytes: Uint8Array, count: number): Settled<void> {
  bytes.fill(0, count);
  return andThen(checksumsOf(part.pool, run), ({ words, at }) => {
    const damaged = firstDamaged(bytes, words, at);
    if (damaged >= 0 && part.pool.broken !== 'checksums-not-compared') throw corruptBlock(part, run.block + damaged);
    keep(part, run, bytes);
  });
}

/** What was read goes into the cache: always a short run, a long one while there is room. */
function keep(part: Part, run: Run, bytes: Uint8Array): void {
  const { cache, blocksEach } = part.pool;
  if (isStale(part)) return;
  for (let index = 0; index < run.blocks; index += 1) {
    if (run.blocks >= longBlocks && !cache.hasRoom) return;
    if (isStillThere(part, run, run.block + index)) {
      cache.insert(run.slot * blocksEach + run.block + index, bytes, index * blockSize);
    }
  }
}

/** Nothing was written to the block since the read began: a checkpoint may be about to write over the place. */
function isStillThere({ object, chunk }: Part, { ref }: Run, block: number): boolean {
  const layer = object.overlay.isEmpty ? undefined : object.overlay.layerOf(chunk, block);
  if (layer === undefined) return ref === undefined;
  return ref !== undefined && layer.slots[-1 - (layer.codes[block] ?? nothing)] === ref;
}

/** Reads a short run with the blocks around it that lie in the same slot, and keeps those that verify. */
function readWindow(part: Part, run: Run, leaf: Page): Settled<void> {
  const { pool } = part;
  const block = run.block - (run.block % windowBlocks);
  const end = Math.ceil((run.block + run.blocks) / windowBlocks) * windowBlocks;
  const window = { ...run, block, blocks: Math.min(end, pool.blocksEach) - block };
  return pool.scratch.use(window.blocks * blockSize, (memory) =>
    andThen(pool.data.read(run.slot, block, memory), (count) => {
      const skip = (run.block - block) * blockSize;
      const own = memory.subarray(skip, skip + run.blocks * blockSize);
      return andThen(verified(part, run, own, Math.max(0, count - skip)), () => {
        if (isStale(part)) return;
        for (let index = 0; index < run.blocks; index += 1) copyOwn(part, run.block + index, own, index);
        return andThen(checksumsOf(pool, window), ({ words, at }) => keepAround(part, window, leaf, memory, words, at));
      });
    }),
  );
}

/** Reads a run of a piece that is compressed, in so many blocks of its slot. */
function readUnpacked(part: Part, run: Run, leaf: Page, stored: number): Settled<void> {
  const checksums = (): Settled<(block: number) => number> =>
    andThen(
      checksumsOf(part.pool, { ...run, block: 0 }),
      ({ words, at }) =>
        (block) =>
          words[at + block] ?? 0,
    );
  return readPacked(part.pool, run.slot, stored, checksums, (packed) => {
    for (let block = run.block; block < run.block + run.blocks; block += 1) {
      // Somebody else may have had it decompressed meanwhile.
      if (copyCached(part, run.slot, block)) continue;
      const bytes = packed?.blockAt(block);
      if (bytes === undefined) throw corruptBlock(part, block);
      copyOwn(part, block, bytes, 0);
    }
    if (packed !== undefined && !isStale(part)) keepUnpacked(part, run, leaf, packed);
  });
}

/**
 * What was decompressed goes into the cache: always behind a short run, behind a long one while there is room. Nobody writes to what is
 * compressed: it is kept whatever is journaled over it.
 */
function keepUnpacked({ pool, chunk }: Part, run: Run, leaf: Page, packed: PackedPiece): void {
  const { cache, blocksEach } = pool;
  for (let block = 0; block < blocksEach; block += 1) {
    const place = run.slot * blocksEach + block;
    if (run.blocks >= longBlocks && !cache.hasRoom) return;
    if (!packed.isUnpacked(block) || cache.has(place)) continue;
    const bytes = packed.blockAt(block);
    const isWanted = slotOf(leaf.view, chunk % entriesEach, block) === run.slot;
    if (bytes !== undefined && isWanted) cache.insert(place, bytes, 0);
  }
}

/** Copies what is wanted of a block that was read. */
function copyOwn({ start, length, into, at }: Part, block: number, bytes: Uint8Array, index: number): void {
  const from = Math.max(start, block * blockSize);
  const to = Math.min(start + length, (block + 1) * blockSize);
  const base = (index - block) * blockSize;
  into.set(bytes.subarray(base + from, base + to), at + from - start);
}

/** Neighbours that nobody asked for: those that the map names there, that nothing lies over, and that verify. */
function keepAround(part: Part, window: Run, leaf: Page, bytes: Uint8Array, words: Uint32Array, at: number): void {
  const { cache, blocksEach } = part.pool;
  const entry = part.chunk % entriesEach;
  if (isStale(part)) return;
  for (let index = 0; index < window.blocks; index += 1) {
    const block = window.block + index;
    const place = window.slot * blocksEach + block;
    if (!cache.hasRoom || cache.has(place) || slotOf(leaf.view, entry, block) !== window.slot) continue;
    const isRight = checksumOf(bytes.subarray(index * blockSize, (index + 1) * blockSize)) === words[at + index];
    if (isRight && isStillThere(part, window, block)) cache.insert(place, bytes, index * blockSize);
  }
}

/** The checksums of a run's blocks: of the overlay where it names the slot, else of the committed table. */
function checksumsOf(pool: PoolParts, run: Run): Settled<{ words: Uint32Array; at: number }> {
  if (run.ref !== undefined) return { words: run.ref.checksums, at: run.block };
  const number = run.slot * pool.blocksEach + run.block;
  const leaf = pool.checksums.leaf(checksumLeafOf(number));
  return andThen(leaf, (page) => ({
    words: page === undefined ? noChecksums : wordsOf(page),
    at: number % checksumsEach,
  }));
}

const noChecksums = new Uint32Array(checksumsEach);

function wordsOf(page: Page): Uint32Array {
  return new Uint32Array(page.bytes.buffer, page.bytes.byteOffset, checksumsEach);
}

function corruptBlock({ pool, object, chunk }: Part, block: number): AshlarError {
  const offset = chunk * pool.chunkSizeBytes + block * blockSize;
  const message = `the block at ${offset} does not match its checksum: the disk returned other data than was written`;
  return new AshlarError('corrupt', message, {
    volume: String(object.store),
    offset,
    length: blockSize,
    operation: 'read',
  });
}
