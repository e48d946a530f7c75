import { andThen, assert, isPromise, type Settled } from '@ashlar/core';
import { blockSize, checksumOf } from './checksum.ts';
import {
  blocksOf,
  entriesEach,
  piecesEach,
  readEntry,
  writeEntry,
  type ChunkEntry,
  type Piece,
} from './format/map-leaf.ts';
import type { BlockRun } from './host-room.ts';
import { corrupt, firstArena, hole, nothing, reserved } from './overlay.ts';
import type { ChunkOverlay } from './overlay-chunks.ts';
import { checksumsEach, wordsOf } from './read.ts';
import type { ObjectState, PoolParts } from './state.ts';

/** What a checkpoint frees; given back behind its commit (rule 1e). */
export type Freed = {
  readonly slots: number[];
  /** Of these the contents went elsewhere: the next writes will want as much room again. */
  readonly moved: number[];
  readonly blocks: { readonly slot: number; readonly block: number }[];
  /** Slots that the checkpoint itself took: they go back if it fails. */
  readonly taken: number[];
  /** Room that the host must keep before the commit. */
  readonly reserved: BlockRun[];
};

/** Bits of a chunk's blocks: two 32-bit words, as in the map. */
type Bits = { low: number; high: number };

/**
 * Brings one chunk's frozen overlay home: bytes to slots, and the map's entry and the checksums to match. Blocks that
 * have a place are overwritten there; readers have them from the overlay until the commit (rule 1).
 */
export async function bringHome(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  overlay: ChunkOverlay,
  freed: Freed,
): Promise<void> {
  const changed = object.tree.change(Math.floor(chunk / entriesEach));
  const leaf = isPromise(changed) ? await changed : changed;
  const index = chunk % entriesEach;
  const entry = readEntry(leaf.view, index);
  const before = blocksOf(entry);
  const old = entry.pieces.map((piece) => ({ ...piece }));
  const placing = placeBlocks(pool, entry, overlay, freed, 0);
  if (isPromise(placing)) await placing;
  if (entry.pieces.length > piecesEach) await gather(pool, entry, freed);
  dropEmpty(pool, entry);
  keepRoom(pool, entry, overlay, freed);
  noteFreed(pool, overlay, old, entry, freed);
  writeEntry(leaf.view, index, entry);
  object.mappedBlocks += blocksOf(entry) - before;
}

/** Places the blocks from `first` on. Settles at once where checksums are cached and the host takes writes at once, as a rule. */
function placeBlocks(
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  freed: Freed,
  first: number,
): Settled<void> {
  for (let block = first; block < pool.blocksEach;) {
    const code = overlay.codes[block] ?? nothing;
    if (code === nothing) {
      block += 1;
      continue;
    }
    if (code === hole || code === reserved) {
      for (const piece of entry.pieces) setBit(piece, block, false);
      setZero(entry, block, code === reserved);
      block += 1;
      continue;
    }
    const start = block;
    const placed =
      code < 0 ? placeSlotRun(pool, entry, overlay, start) : placeArenaRun(pool, entry, overlay, start, freed);
    if (isPromise(placed)) return placed.then((count) => placeBlocks(pool, entry, overlay, freed, start + count));
    block += placed;
  }
}

/** Takes neighbouring blocks of one fresh slot over; gives how many. */
function placeSlotRun(pool: PoolParts, entry: ChunkEntry, overlay: ChunkOverlay, first: number): Settled<number> {
  const code = overlay.codes[first] ?? nothing;
  const ref = overlay.slots[-1 - code];
  assert(ref !== undefined, 'a code names a slot of its chunk');
  let piece = entry.pieces.find(({ slot }) => slot === ref.slot);
  if (piece === undefined) {
    piece = { slot: ref.slot, birth: pool.birth, low: 0, high: 0 };
    entry.pieces.push(piece);
    pool.slots.setDurable(ref.slot, true);
  }
  return andThen(checksumsFor(pool, ref.slot), (checksums) => {
    let block = first;
    for (; block < pool.blocksEach && overlay.codes[block] === code; block += 1) {
      setZero(entry, block, false);
      for (const other of entry.pieces) setBit(other, block, other === piece);
      checksums[block] = ref.checksums[block] ?? 0;
    }
    return block - first;
  });
}

/** Writes neighbouring blocks that go to one slot by one call; gives how many. */
function placeArenaRun(
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  first: number,
  freed: Freed,
): Settled<number> {
  const piece = pieceFor(pool, entry, first, freed);
  return andThen(checksumsFor(pool, piece.slot), (checksums) => {
    const parts: Uint8Array[] = [];
    let block = first;
    for (; block < pool.blocksEach; block += 1) {
      const code = overlay.codes[block] ?? nothing;
      if ((code < firstArena && code !== corrupt) || pieceFor(pool, entry, block, freed) !== piece) break;
      setZero(entry, block, false);
      for (const other of entry.pieces) setBit(other, block, other === piece);
      if (code === corrupt) {
        // What was lost stays lost: a block whose checksum can never match.
        const zeros = new Uint8Array(blockSize);
        parts.push(zeros);
        checksums[block] = ~checksumOf(zeros) >>> 0;
      } else {
        parts.push(pool.arena.bytes(code - firstArena));
        checksums[block] = pool.arena.checksum(code - firstArena);
      }
    }
    return andThen(pool.data.writeMany(piece.slot, first, parts), () => block - first);
  });
}

/** The piece that a block of bytes goes to: where it is, else the first, else a fresh slot. */
function pieceFor(pool: PoolParts, entry: ChunkEntry, block: number, freed: Freed): Piece {
  const there = entry.pieces.find((piece) => hasBit(piece, block)) ?? entry.pieces[0];
  if (there !== undefined) return there;
  const piece: Piece = { slot: pool.slots.allocate(), birth: pool.birth, low: 0, high: 0 };
  freed.taken.push(piece.slot);
  pool.slots.setDurable(piece.slot, true);
  entry.pieces.push(piece);
  if (pool.broken === 'stale-slot-shown') for (let at = 0; at < pool.blocksEach; at += 1) setBit(piece, at, true);
  return piece;
}

/** The write that would need a fifth piece copies the chunk together. */
async function gather(pool: PoolParts, entry: ChunkEntry, freed: Freed): Promise<void> {
  const into: Piece = { slot: pool.slots.allocate(), birth: pool.birth, low: 0, high: 0 };
  freed.taken.push(into.slot);
  pool.slots.setDurable(into.slot, true);
  const moved = await checksumsFor(pool, into.slot);
  for (const piece of entry.pieces) {
    const from = await checksumsFor(pool, piece.slot);
    for (let block = 0; block < pool.blocksEach; block += 1) {
      if (!hasBit(piece, block)) continue;
      const bytes = new Uint8Array(blockSize);
      await pool.data.read(piece.slot, block, bytes);
      await pool.data.write(into.slot, block, bytes);
      // The checksum moves with the block: damage stays visible.
      moved[block] = from[block] ?? 0;
      setBit(into, block, true);
      setBit(piece, block, false);
    }
  }
  entry.pieces.push(into);
}

/** Pieces without blocks go, but for one where room must be kept. */
function dropEmpty(pool: PoolParts, entry: ChunkEntry): void {
  const full = entry.pieces.filter((piece) => (piece.low | piece.high) !== 0);
  const keeps = (entry.zeroLow | entry.zeroHigh) !== 0;
  const first = entry.pieces[0];
  const stay = full.length === 0 && keeps && first !== undefined ? [first] : full;
  for (const piece of entry.pieces) if (!stay.includes(piece)) pool.slots.setDurable(piece.slot, false);
  entry.pieces = stay;
}

/** Notes which blocks read as zeros and must have room all the same. */
function keepRoom(pool: PoolParts, entry: ChunkEntry, overlay: ChunkOverlay, freed: Freed): void {
  for (let block = 0; block < pool.blocksEach; block += 1) {
    if (overlay.codes[block] !== reserved) continue;
    const first = block;
    while (block < pool.blocksEach && overlay.codes[block] === reserved) block += 1;
    freed.reserved.push({ slot: pieceFor(pool, entry, first, freed).slot, block: first, blocks: block - first });
  }
}

function noteFreed(
  pool: PoolParts,
  overlay: ChunkOverlay,
  old: readonly Piece[],
  entry: ChunkEntry,
  freed: Freed,
): void {
  const kept = new Set(entry.pieces.map(({ slot }) => slot));
  const gone = kept.size > 0 ? freed.moved : freed.slots;
  for (const { slot } of old) if (!kept.has(slot)) gone.push(slot);
  // Fresh slots that were overwritten before they ever got home.
  for (const { slot } of overlay.slots) {
    if (!kept.has(slot) && !old.some((piece) => piece.slot === slot)) gone.push(slot);
  }
  for (const before of old) {
    const after = entry.pieces.find(({ slot }) => slot === before.slot);
    if (after === undefined) continue;
    for (let block = 0; block < pool.blocksEach; block += 1) {
      const keeps = after === entry.pieces[0] && hasZero(entry, block);
      if (hasBit(before, block) && !hasBit(after, block) && !keeps) freed.blocks.push({ slot: before.slot, block });
    }
  }
}

/** The checksums of a slot's blocks, for change. A slot's lie in one leaf. */
function checksumsFor(pool: PoolParts, slot: number): Settled<Uint32Array> {
  const first = slot * pool.blocksEach;
  return andThen(pool.checksums.change(Math.floor(first / checksumsEach)), (page) =>
    wordsOf(page).subarray(first % checksumsEach, (first % checksumsEach) + pool.blocksEach),
  );
}

function hasBit(bits: Bits, block: number): boolean {
  return ((block < 32 ? bits.low : bits.high) & (1 << (block & 31))) !== 0;
}

function setBit(bits: Bits, block: number, on: boolean): void {
  const bit = 1 << (block & 31);
  if (block < 32) bits.low = (on ? bits.low | bit : bits.low & ~bit) >>> 0;
  else bits.high = (on ? bits.high | bit : bits.high & ~bit) >>> 0;
}

function hasZero(entry: ChunkEntry, block: number): boolean {
  return hasBit({ low: entry.zeroLow, high: entry.zeroHigh }, block);
}

function setZero(entry: ChunkEntry, block: number, on: boolean): void {
  const bits = { low: entry.zeroLow, high: entry.zeroHigh };
  setBit(bits, block, on);
  entry.zeroLow = bits.low;
  entry.zeroHigh = bits.high;
}
