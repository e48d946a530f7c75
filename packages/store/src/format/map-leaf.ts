import { assert } from '@ashlar/core';
import { blockSize } from '../checksum.ts';

/**
 * A leaf of an object's map: what is known of 32 neighbouring chunks, 128 bytes each: four pieces of 24 bytes (slot + 1
 * as float64, birth float64, bitmap of the chunk's blocks that lie there as two u32), then the bitmap of blocks that
 * read as zeros but keep their room (two u32), then a u8 for each piece: 0 where block b of the chunk lies at block b of the slot,
 * else how many blocks of the slot, the first ones, hold all of the piece compressed (format/packed-piece.ts); then how many
 * blocks were there when they were last found not to compress, u8; 19 reserved.
 */
const entrySize = 128;
export const entriesEach = blockSize / entrySize;
export const piecesEach = 4;
const pieceSize = 24;
const zeroAt = piecesEach * pieceSize;
const packedAt = zeroAt + 8;
const denseAt = packedAt + piecesEach;

/** `packed`: 0, or in how many blocks of its slot it lies compressed; then it has blocks perhaps that are not the chunk's any more. */
export type Piece = { slot: number; birth: number; low: number; high: number; readonly packed: number };

/** A chunk's entry in memory. Bitmaps are pairs of unsigned 32-bit words: blocks 0 to 31 and 32 to 63. */
export type ChunkEntry = {
  pieces: Piece[];
  zeroLow: number;
  zeroHigh: number;
  /** How many blocks there were that did not compress, when that was last tried. */
  dense: number;
};

/** What a leaf has that is not there. */
const noLeaf: DataView = new DataView(new ArrayBuffer(blockSize));

/** Of a chunk that has nothing. */
export const emptyEntry: ChunkEntry = { pieces: [], zeroLow: 0, zeroHigh: 0, dense: 0 };

/** Bits of a chunk's blocks. */
export type Bits = { low: number; high: number };

export function hasBit(bits: Bits, block: number): boolean {
  return ((block < 32 ? bits.low : bits.high) & (1 << (block & 31))) !== 0;
}

export function setBit(bits: Bits, block: number, on: boolean): void {
  const bit = 1 << (block & 31);
  if (block < 32) bits.low = (on ? bits.low | bit : bits.low & ~bit) >>> 0;
  else bits.high = (on ? bits.high | bit : bits.high & ~bit) >>> 0;
}

export function without({ low, high }: Bits, other: Bits): Bits {
  return { low: (low & ~other.low) >>> 0, high: (high & ~other.high) >>> 0 };
}

export function common({ low, high }: Bits, other: Bits): Bits {
  return { low: (low & other.low) >>> 0, high: (high & other.high) >>> 0 };
}

export function union(...all: readonly Bits[]): Bits {
  const sum = { low: 0, high: 0 };
  for (const { low, high } of all) {
    sum.low = (sum.low | low) >>> 0;
    sum.high = (sum.high | high) >>> 0;
  }
  return sum;
}

/** The blocks that read as zeros and keep their room. */
export function zerosOf({ zeroLow, zeroHigh }: ChunkEntry): Bits {
  return { low: zeroLow, high: zeroHigh };
}

export function hasZero(entry: ChunkEntry, block: number): boolean {
  return hasBit(zerosOf(entry), block);
}

export function setZero(entry: ChunkEntry, block: number, on: boolean): void {
  const bits = zerosOf(entry);
  setBit(bits, block, on);
  entry.zeroLow = bits.low;
  entry.zeroHigh = bits.high;
}

/** The blocks [first, end) lie in this piece of the entry and in no other. */
export function claimBlocks(entry: ChunkEntry, piece: Piece, first: number, end: number): void {
  const low = maskOf(first, end);
  const high = maskOf(first - 32, end - 32);
  for (const each of entry.pieces) {
    each.low = (each === piece ? each.low | low : each.low & ~low) >>> 0;
    each.high = (each === piece ? each.high | high : each.high & ~high) >>> 0;
  }
  entry.zeroLow = (entry.zeroLow & ~low) >>> 0;
  entry.zeroHigh = (entry.zeroHigh & ~high) >>> 0;
}

/** The bits of a word from one on and below another, which may both lie outside it. */
function maskOf(from: number, to: number): number {
  const first = Math.max(0, from);
  const count = Math.min(32, to) - first;
  if (count <= 0) return 0;
  return (count === 32 ? 0xffffffff : ((1 << count) - 1) << first) >>> 0;
}

export function readEntry(leaf: DataView, index: number): ChunkEntry {
  const at = index * entrySize;
  const pieces: Piece[] = [];
  for (let piece = 0; piece < piecesEach; piece += 1) {
    const start = at + piece * pieceSize;
    const slot = leaf.getFloat64(start, true);
    if (slot === 0) break;
    pieces.push({
      slot: slot - 1,
      birth: leaf.getFloat64(start + 8, true),
      low: leaf.getUint32(start + 16, true),
      high: leaf.getUint32(start + 20, true),
      packed: leaf.getUint8(at + packedAt + piece),
    });
  }
  const zeroLow = leaf.getUint32(at + zeroAt, true);
  const zeroHigh = leaf.getUint32(at + zeroAt + 4, true);
  return { pieces, zeroLow, zeroHigh, dense: leaf.getUint8(at + denseAt) };
}

export function writeEntry(leaf: DataView, index: number, entry: ChunkEntry): void {
  assert(entry.pieces.length <= piecesEach, 'a chunk lies in at most four slots');
  const at = index * entrySize;
  for (let piece = 0; piece < piecesEach; piece += 1) {
    const start = at + piece * pieceSize;
    const from = entry.pieces[piece];
    leaf.setFloat64(start, from === undefined ? 0 : from.slot + 1, true);
    leaf.setFloat64(start + 8, from?.birth ?? 0, true);
    leaf.setUint32(start + 16, from?.low ?? 0, true);
    leaf.setUint32(start + 20, from?.high ?? 0, true);
    leaf.setUint8(at + packedAt + piece, from?.packed ?? 0);
  }
  leaf.setUint32(at + zeroAt, entry.zeroLow, true);
  leaf.setUint32(at + zeroAt + 4, entry.zeroHigh, true);
  leaf.setUint8(at + denseAt, entry.dense);
}

/** Whether a chunk has anything: each entry that has keeps it in a slot. */
export function hasEntry(leaf: DataView, index: number): boolean {
  return leaf.getFloat64(index * entrySize, true) !== 0;
}

/**
 * The blocks of a chunk that lie elsewhere in another leaf, or are reserved in one of them alone: nobody writes over the place of a block that a snapshot
 * has. A leaf that is not there has nothing.
 */
export function changedBlocks(before = noLeaf, after = noLeaf, index: number): Bits {
  const at = index * entrySize;
  const [lowAt, highAt] = [at + zeroAt, at + zeroAt + 4];
  // What lies nowhere is the same where it is reserved in both, or in none of them.
  let low = before.getUint32(lowAt, true) ^ after.getUint32(lowAt, true);
  let high = before.getUint32(highAt, true) ^ after.getUint32(highAt, true);
  let [sameLow, sameHigh] = [0, 0];
  const end = at + zeroAt;
  for (let one = at; one < end && before.getFloat64(one, true) !== 0; one += pieceSize) {
    const [oneLow, oneHigh] = [before.getUint32(one + 16, true), before.getUint32(one + 20, true)];
    low |= oneLow;
    high |= oneHigh;
    for (let other = at; other < end && after.getFloat64(other, true) !== 0; other += pieceSize) {
      if (before.getFloat64(one, true) !== after.getFloat64(other, true)) continue;
      sameLow |= oneLow & after.getUint32(other + 16, true);
      sameHigh |= oneHigh & after.getUint32(other + 20, true);
    }
  }
  for (let other = at; other < end && after.getFloat64(other, true) !== 0; other += pieceSize) {
    low |= after.getUint32(other + 16, true);
    high |= after.getUint32(other + 20, true);
  }
  return { low: (low & ~sameLow) >>> 0, high: (high & ~sameHigh) >>> 0 };
}

/** The slot that holds a block, or -1. Costs no allocation: it is on the path of every read. */
export function slotOf(leaf: DataView, index: number, block: number): number {
  const at = index * entrySize;
  const word = block < 32 ? 16 : 20;
  const bit = 1 << (block & 31);
  for (let start = at; start < at + zeroAt; start += pieceSize) {
    const slot = leaf.getFloat64(start, true);
    if (slot === 0) return -1;
    if ((leaf.getUint32(start + word, true) & bit) !== 0) return slot - 1;
  }
  return -1;
}

/** The slot in which a block has a place that is nobody else's: not where its piece is born at `shared` or before and so a snapshot's, nor where it is compressed. */
export function ownSlotOf(leaf: DataView, index: number, block: number, shared: number): number {
  const at = index * entrySize;
  const word = block < 32 ? 16 : 20;
  const bit = 1 << (block & 31);
  for (let piece = 0; piece < piecesEach; piece += 1) {
    const start = at + piece * pieceSize;
    const slot = leaf.getFloat64(start, true);
    if (slot === 0) return -1;
    if ((leaf.getUint32(start + word, true) & bit) === 0) continue;
    return leaf.getFloat64(start + 8, true) > shared && leaf.getUint8(at + packedAt + piece) === 0 ? slot - 1 : -1;
  }
  return -1;
}

/** Whether a piece of a chunk is compressed. */
export function hasPacked(leaf: DataView, index: number): boolean {
  return leaf.getUint32(index * entrySize + packedAt) !== 0;
}

/** In how many blocks of its slot a piece of a chunk lies compressed; 0 where it does not. */
export function packedIn(leaf: DataView, index: number, slot: number): number {
  const at = index * entrySize;
  for (let piece = 0; piece < piecesEach; piece += 1) {
    if (leaf.getFloat64(at + piece * pieceSize, true) === slot + 1) return leaf.getUint8(at + packedAt + piece);
  }
  return 0;
}

/** The chunks of which two leaves have not the same, in order, by their places in the leaf; a leaf that is not there has nothing. */
export function otherEntries(one = noLeaf, other = noLeaf): readonly number[] {
  const found: number[] = [];
  // By words: a comparison of bytes would cost a call, and what it is called with, for each half that it is looked for in.
  for (let at = 0; at < blockSize; at += 4) {
    if (one.getUint32(at) === other.getUint32(at)) continue;
    const index = Math.floor(at / entrySize);
    found.push(index);
    at = (index + 1) * entrySize - 4;
  }
  return found;
}

/** Whether a block without data keeps room. */
export function isReserved(leaf: DataView, index: number, block: number): boolean {
  const word = leaf.getUint32(index * entrySize + zeroAt + (block < 32 ? 0 : 4), true);
  return (word & (1 << (block & 31))) !== 0;
}

/** Whether a block has data or keeps room, compressed or not. */
export function hasRoom(leaf: DataView, index: number, block: number): boolean {
  return slotOf(leaf, index, block) >= 0 || isReserved(leaf, index, block);
}

/** Whether a block can be written where it lies, or has its room kept: in a piece that is born behind `shared` and not compressed. */
export function hasOwnRoom(leaf: DataView, index: number, block: number, shared: number): boolean {
  if (ownSlotOf(leaf, index, block, shared) >= 0) return true;
  return isReserved(leaf, index, block) && readEntry(leaf, index).pieces.some((piece) => isOwn(piece, shared));
}

/** Whether blocks may be written to a piece: it is no snapshot's, and not compressed. */
export function isOwn({ birth, packed }: Piece, shared: number): boolean {
  return birth > shared && packed === 0;
}

/** Blocks that follow each other in one slot. */
export type BlockRun = { readonly slot: number; readonly block: number; readonly blocks: number };

/** The blocks of a piece. */
export function* runsOf(piece: Piece, blocksEach: number): Generator<BlockRun> {
  for (const { block, blocks } of runsIn(piece, blocksEach)) yield { slot: piece.slot, block, blocks };
}

/** Blocks that follow each other. */
export function* runsIn(bits: Bits, blocksEach: number): Generator<Omit<BlockRun, 'slot'>> {
  for (let block = 0; block < blocksEach; block += 1) {
    const start = block;
    while (block < blocksEach && hasBit(bits, block)) block += 1;
    if (block > start) yield { block: start, blocks: block - start };
  }
}

function popcount(word: number): number {
  let value = word - ((word >>> 1) & 0x55555555);
  value = (value & 0x33333333) + ((value >>> 2) & 0x33333333);
  return (((value + (value >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

export function countBits({ low, high }: Bits): number {
  return popcount(low) + popcount(high);
}

/** Blocks of room that a chunk takes, of data and kept. */
export function blocksOf(entry: ChunkEntry): number {
  let count = popcount(entry.zeroLow) + popcount(entry.zeroHigh);
  for (const piece of entry.pieces) count += piece.packed > 0 ? piece.packed : countBits(piece);
  return count;
}

/** The same in pieces that are born behind `shared`. What is kept is so in one that is not compressed. */
export function ownBlocksOf(entry: ChunkEntry, shared: number): number {
  const pieces = entry.pieces.filter(({ birth }) => birth > shared);
  return blocksOf({ ...(pieces.some((piece) => isOwn(piece, shared)) ? entry : emptyEntry), pieces });
}

/** Slots of a chunk that are born behind `shared`. */
export function ownSlotsOf({ pieces }: ChunkEntry, shared: number): number {
  return pieces.filter(({ birth }) => birth > shared).length;
}

/** How many blocks less that is than its data and kept room as they are. */
export function savedOf({ pieces }: ChunkEntry): number {
  return pieces.reduce((sum, piece) => sum + (piece.packed > 0 ? countBits(piece) - piece.packed : 0), 0);
}
