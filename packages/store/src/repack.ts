import { allDone, andThen, type Settled } from '@ashlar/core';
import { blockSize, checksumBlocks, firstDamaged } from './checksum.ts';
import { packPiece, rankOf } from './format/packed-piece.ts';
import {
  common,
  countBits,
  hasBit,
  isOwn,
  piecesEach,
  runsIn,
  setBit,
  union,
  without,
  zerosOf,
  type Bits,
  type BlockRun,
  type Piece,
} from './format/map-leaf.ts';
import { takeSlot } from './fresh-slot.ts';
import { holdsCopy, type Homing, type Placing } from './homing.ts';
import { corrupt, firstArena, nothing, reserved } from './overlay.ts';
import { readPackedNow } from './packed-read.ts';
import { checksumsFor } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/** Fewer blocks are left as they are. */
const leastBlocks = 4;

/** Blocks of a chunk that are written to one new place together: those of the overlay, and what lies beside them. */
type Repack = {
  readonly bits: Bits;
  /** Of these come from the overlay. */
  readonly fresh: Bits;
  /** Also where they do not compress. */
  readonly isDue: boolean;
};

/**
 * What is to be compressed of a chunk that goes home: all that is its own, where half of that is not compressed, and half is new or there is twice
 * as much as when it was tried last. So a chunk that fills up bit by bit is written anew each time it has doubled. A compressed piece
 * that takes as much room as what is left of it would is written anew in any case.
 */
export function repackOf(placing: Placing): Repack | undefined {
  const { homing, entry, overlay, shared } = placing;
  const { compression } = homing;
  if (compression === 'off' && entry.pieces.every(({ packed }) => packed === 0)) return undefined;
  if (overlay.slots.length > 0 || overlay.codes.includes(corrupt)) return undefined;
  const { fresh, gone } = bitsOf(placing);
  const left = entry.pieces.map((piece) => ({ piece, bits: without(piece, gone) }));
  const own = left.filter(({ piece }) => piece.birth > shared);
  const bits = union(fresh, ...own.map((each) => each.bits));
  const isWasteful = own.some(({ piece, bits: rest }) => {
    const count = countBits(rest);
    return count > 0 && count <= piece.packed;
  });
  if (isWasteful) return { bits, fresh, isDue: true };
  const freshBlocks = countBits(fresh);
  if (compression === 'off' || freshBlocks === 0) return undefined;
  const stay = left.filter((each) => countBits(each.bits) > 0).length;
  if (stay + Number(!entry.pieces.some((piece) => isOwn(piece, shared))) > piecesEach) {
    return { bits: union(fresh, ...left.map((each) => each.bits)), fresh, isDue: true };
  }
  const all = countBits(bits);
  const loose = own.reduce((sum, each) => sum + (each.piece.packed > 0 ? 0 : countBits(each.bits)), freshBlocks);
  const isMuch = loose >= Math.max(leastBlocks, all / 2);
  const isNew = freshBlocks >= all / 2 || loose >= entry.dense * 2;
  return isMuch && isNew ? { bits, fresh, isDue: false } : undefined;
}

/** Which blocks the overlay has bytes of, and which it has anything of. */
function bitsOf({ homing, overlay }: Placing): { readonly fresh: Bits; readonly gone: Bits } {
  const fresh = { low: 0, high: 0 };
  const gone = { low: 0, high: 0 };
  for (let block = 0; block < homing.pool.blocksEach; block += 1) {
    const code = overlay.codes[block] ?? nothing;
    if (code !== nothing) setBit(gone, block, true);
    if (code >= firstArena) setBit(fresh, block, true);
  }
  return { fresh, gone };
}

/**
 * Writes them to a fresh slot, and their piece is the entry's. False where nothing was done: they do not compress, something of them is damaged, or
 * there is no room to have them twice until the commit.
 */
export function repack(placing: Placing, { bits, fresh, isDue }: Repack): Settled<boolean> {
  const { homing, entry } = placing;
  const { pool, compression } = homing;
  const length = countBits(bits) * blockSize;
  const from = placing.chunk * pool.chunkSizeBytes;
  // What somebody is writing there may be counted as an overwrite of what lies there now, and come home when none of this is promised any more.
  if (homing.object.locks.waitFor(from, from + pool.chunkSizeBytes) !== undefined) return false;
  const mostBytes = length + (mayCrowd(placing, bits) ? pool.chunkSizeBytes : 0);
  // Promised until the next checkpoint, which brings home what is written meanwhile and counted as an overwrite in place.
  if (!holdsCopy(homing, mostBytes)) return false;
  return pool.scratch.use(length, (memory) => {
    const bytes = memory.subarray(0, length);
    return andThen(load(placing, bits, fresh, bytes), (isWhole) => {
      if (!isWhole) return false;
      entry.dense = 0;
      const packed = compression === 'off' ? 'dense' : writePacked(placing, bits, bytes);
      if (packed !== 'dense') return andThen(packed, () => true);
      entry.dense = countBits(bits);
      if (!isDue) return false;
      return andThen(writePlain(placing, bits, bytes), () => true);
    });
  });
}

/**
 * Whether what is written to the chunk meanwhile may need room for more than its own blocks: it cannot go to the compressed piece, and with a piece
 * more all of the chunk may have to be copied together, or zeros' kept room moves.
 */
function mayCrowd({ homing, chunk, entry, overlay }: Placing, bits: Bits): boolean {
  if ((entry.zeroLow | entry.zeroHigh) !== 0 || overlay.codes.includes(reserved)) return true;
  // The compressed one, and that of a write to come.
  let pieces = 2 + entry.pieces.filter((piece) => countBits(without(piece, bits)) > 0).length;
  for (const layer of homing.object.overlay.layers()) {
    const there = layer.get(chunk);
    if (there === overlay) break;
    if (there !== undefined) pieces += 1;
  }
  return pieces > piecesEach;
}

/** Copies the blocks to memory, one behind the other. False where one of them is damaged. */
function load(placing: Placing, bits: Bits, fresh: Bits, into: Uint8Array): Settled<boolean> {
  const { homing, entry, overlay } = placing;
  const { arena, blocksEach } = homing.pool;
  for (const { block: first, blocks } of runsIn(fresh, blocksEach)) {
    const start = rankOf(bits, first);
    for (let at = 0; at < blocks; at += 1) {
      into.set(arena.bytes((overlay.codes[first + at] ?? nothing) - firstArena), (start + at) * blockSize);
    }
  }
  const old = without(bits, fresh);
  if (countBits(old) === 0) return true;
  return loadOld(homing, entry.pieces, old, bits, into);
}

async function loadOld(
  { pool }: Homing,
  pieces: readonly Piece[],
  old: Bits,
  bits: Bits,
  into: Uint8Array,
): Promise<boolean> {
  for (const piece of pieces) {
    const wanted = common(piece, old);
    if (countBits(wanted) === 0) continue;
    const isWhole = await (piece.packed > 0 ? loadPacked : loadPlain)(pool, piece, wanted, bits, into);
    if (!isWhole) return false;
  }
  return true;
}

function loadPacked(pool: PoolParts, piece: Piece, wanted: Bits, bits: Bits, into: Uint8Array): Settled<boolean> {
  return readPackedNow(pool, piece.slot, piece.packed, (packed) => {
    for (let block = 0; block < pool.blocksEach; block += 1) {
      if (!hasBit(wanted, block)) continue;
      const bytes = packed?.blockAt(block);
      if (bytes === undefined) return false;
      into.set(bytes, rankOf(bits, block) * blockSize);
    }
    return true;
  });
}

/** By one transfer of all from the first to the last: what lies between is not much. */
async function loadPlain(
  pool: PoolParts,
  { slot }: Piece,
  wanted: Bits,
  bits: Bits,
  into: Uint8Array,
): Promise<boolean> {
  const runs = [...runsIn(wanted, pool.blocksEach)];
  const [from, last] = [runs[0]!, runs.at(-1)!];
  const length = (last.block + last.blocks - from.block) * blockSize;
  return await pool.scratch.use(length, async (memory) => {
    const bytes = memory.subarray(0, length);
    bytes.fill(0, await pool.data.read(slot, from.block, bytes));
    const checksums = await checksumsFor(pool, slot);
    for (const { block: first, blocks } of runs) {
      const start = (first - from.block) * blockSize;
      const part = bytes.subarray(start, start + blocks * blockSize);
      const words = Uint32Array.from({ length: blocks }, (_, at) => checksums.get(first + at));
      if (firstDamaged(part, words, 0) >= 0) return false;
      into.set(part, rankOf(bits, first) * blockSize);
    }
    return true;
  });
}

/** The blocks are in a new piece and in no other. Gives its slot. */
function newPiece({ homing, entry }: Placing, bits: Bits, bytes: Uint8Array, packed: number): number {
  const { pool, freed, birth } = homing;
  const slot = takeSlot(pool);
  freed.taken.push(slot);
  pool.slots.setDurable(slot, true);
  for (const { block: first, blocks } of runsIn(bits, pool.blocksEach)) {
    for (let block = first; block < first + blocks; block += 1) {
      const at = rankOf(bits, block) * blockSize;
      const before = entry.pieces.find((piece) => hasBit(piece, block));
      const place = slot * pool.blocksEach + block;
      // What is read often is so in its new place.
      const isWarm = before !== undefined && pool.cache.has(before.slot * pool.blocksEach + block);
      if (isWarm) pool.cache.insert(place, bytes, at);
      else pool.cache.insertWritten(place, bytes.subarray(at, at + blockSize));
    }
  }
  for (const piece of entry.pieces) Object.assign(piece, without(piece, bits));
  const zero = without(zerosOf(entry), bits);
  entry.zeroLow = zero.low;
  entry.zeroHigh = zero.high;
  entry.pieces.push({ slot, birth, ...bits, packed });
  return slot;
}

/** Gives what to wait for before the next chunk, or that they do not compress. */
function writePacked(placing: Placing, bits: Bits, bytes: Uint8Array): Settled<void> | 'dense' {
  const { pool, freed, transfers } = placing.homing;
  let stored = 0;
  const written = pool.scratch.use(bytes.length, (memory) => {
    const packed = packPiece(bits, bytes, memory);
    if (packed === undefined) return;
    stored = packed.length / blockSize;
    const slot = newPiece(placing, bits, bytes, stored);
    // The host may have kept the room of an earlier life of the slot.
    for (let block = stored; block < pool.blocksEach; block += 1) freed.blocks.add(slot, block);
    const noted = noteChecksums(pool, { slot, block: 0, blocks: stored }, packed);
    return andThen(noted, () => pool.data.writeNew(slot, 0, blocksOf(packed)));
  });
  return stored === 0 ? 'dense' : transfers.add(written, stored * blockSize);
}

/** Settles when they are written: their memory is lent until then. */
function writePlain(placing: Placing, bits: Bits, bytes: Uint8Array): Settled<void> {
  const { pool } = placing.homing;
  const slot = newPiece(placing, bits, bytes, 0);
  const waiting: Settled<void>[] = [];
  for (const { block, blocks } of runsIn(bits, pool.blocksEach)) {
    const start = rankOf(bits, block) * blockSize;
    const part = bytes.subarray(start, start + blocks * blockSize);
    const noted = noteChecksums(pool, { slot, block, blocks }, part);
    waiting.push(andThen(noted, () => pool.data.writeNew(slot, block, blocksOf(part))));
  }
  return allDone(waiting);
}

function noteChecksums(pool: Homing['pool'], { slot, block, blocks }: BlockRun, bytes: Uint8Array): Settled<void> {
  const words = new Uint32Array(blocks);
  checksumBlocks(bytes, words, 0);
  return andThen(checksumsFor(pool, slot), (checksums) => {
    for (let at = 0; at < blocks; at += 1) checksums.set(block + at, words[at] ?? 0);
  });
}

function blocksOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / blockSize }, (_, at) =>
    bytes.subarray(at * blockSize, (at + 1) * blockSize),
  );
}
