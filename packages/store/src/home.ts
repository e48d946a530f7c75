import { andThen, assert, isPromise, type Settled } from '@ashlar/core';
import { blockSize, checksumOf } from './checksum.ts';
import {
  blocksOf,
  claimBlocks,
  entriesEach,
  hasBit,
  hasZero,
  piecesEach,
  readEntry,
  setBit,
  setZero,
  slotOf,
  writeEntry,
  type ChunkEntry,
  type Piece,
} from './format/map-leaf.ts';
import type { Freed } from './freed.ts';
import { corrupt, firstArena, hole, nothing, reserved } from './overlay.ts';
import { slotBlock, type ChunkOverlay } from './chunk-overlay.ts';
import type { Page } from './page-file.ts';
import { takeSlot } from './fresh-slot.ts';
import { gather } from './gather.ts';
import { checksumsFor, type SlotChecksums } from './slot-checksums.ts';
import type { ObjectState, PoolParts } from './state.ts';
import type { Transfers } from './transfers.ts';

/**
 * Brings one chunk's frozen overlay home: bytes to slots, and the map's entry and the checksums to match. Blocks that
 * have a place are overwritten there; readers have them from the overlay until the commit (rule 1). What is begun is added to
 * `transfers`.
 */
export function bringHome(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
): Settled<void> {
  const leaf = object.tree.current(Math.floor(chunk / entriesEach));
  if (isPromise(leaf)) return leaf.then((there) => bringTo(pool, object, chunk, there, overlay, freed, transfers));
  return bringTo(pool, object, chunk, leaf, overlay, freed, transfers);
}

function bringTo(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  leaf: Page | undefined,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
): Settled<void> {
  const index = chunk % entriesEach;
  return leaf !== undefined && keepsItsPlace(pool, leaf.view, index, overlay)
    ? overwrite(pool, leaf.view, index, overlay, transfers, 0)
    : rearrange(pool, object, chunk, overlay, freed, transfers);
}

/** Every block is overwritten where it lies: the entry stays as it is. So it is with most small writes. */
function keepsItsPlace(pool: PoolParts, leaf: DataView, index: number, { codes }: ChunkOverlay): boolean {
  for (let block = 0; block < pool.blocksEach; block += 1) {
    const code = codes[block] ?? nothing;
    if (code !== nothing && (code < firstArena || slotOf(leaf, index, block) < 0)) return false;
  }
  return true;
}

function overwrite(
  pool: PoolParts,
  leaf: DataView,
  index: number,
  overlay: ChunkOverlay,
  transfers: Transfers,
  from: number,
): Settled<void> {
  for (let block = from; block < pool.blocksEach;) {
    if (overlay.codes[block] === nothing) {
      block += 1;
      continue;
    }
    const slot = slotOf(leaf, index, block);
    const start = block;
    while (block < pool.blocksEach && overlay.codes[block] !== nothing && slotOf(leaf, index, block) === slot)
      block += 1;
    const written = writeRun(pool, slot, overlay, start, block, false, transfers);
    if (isPromise(written)) return overwriteBehind(written, pool, leaf, index, overlay, transfers, block);
  }
}

/** Apart: a closure in the loop would cost memory for each of its blocks, whether it is made or not. */
async function overwriteBehind(
  written: Promise<void>,
  pool: PoolParts,
  leaf: DataView,
  index: number,
  overlay: ChunkOverlay,
  transfers: Transfers,
  from: number,
): Promise<void> {
  await written;
  await overwrite(pool, leaf, index, overlay, transfers, from);
}

/** Brings a chunk home whose entry changes. Settles at once where its leaves are cached, so that the transfers of many go together. */
function rearrange(
  pool: PoolParts,
  object: ObjectState,
  chunk: number,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
): Settled<void> {
  const index = chunk % entriesEach;
  return andThen(object.tree.change(Math.floor(chunk / entriesEach)), ({ view }) => {
    const entry = readEntry(view, index);
    const before = blocksOf(entry);
    const old = entry.pieces.map((piece) => ({ ...piece }));
    return andThen(placeBlocks(pool, entry, overlay, freed, transfers, 0), () =>
      andThen(entry.pieces.length > piecesEach ? gatherPieces(pool, entry, freed, transfers) : undefined, () => {
        dropEmpty(pool, entry);
        keepRoom(pool, entry, overlay, freed);
        noteFreed(pool, overlay, old, entry, freed);
        writeEntry(view, index, entry);
        object.mappedBlocks += blocksOf(entry) - before;
      }),
    );
  });
}

/** Some of what is copied together may still be on its way. */
async function gatherPieces(pool: PoolParts, entry: ChunkEntry, freed: Freed, transfers: Transfers): Promise<void> {
  await transfers.drained();
  await gather(pool, entry, freed);
}

/** Places the blocks from `first` on. Settles at once where checksums are cached, as a rule. */
function placeBlocks(
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
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
    const next = code < 0 ? endOfSlotRun(pool, overlay, start) : endOfArenaRun(pool, entry, overlay, freed, start);
    const placed =
      code < 0
        ? placeSlotRun(pool, entry, overlay, start, next)
        : placeArenaRun(pool, entry, overlay, freed, transfers, start, next);
    if (isPromise(placed)) return placeBehind(placed, pool, entry, overlay, freed, transfers, next);
    block = next;
  }
}

/** Apart, as `overwriteBehind`. */
async function placeBehind(
  placed: Promise<void>,
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
  from: number,
): Promise<void> {
  await placed;
  await placeBlocks(pool, entry, overlay, freed, transfers, from);
}

/** Neighbouring blocks of one fresh slot. */
function endOfSlotRun(pool: PoolParts, { codes }: ChunkOverlay, first: number): number {
  let block = first + 1;
  while (block < pool.blocksEach && codes[block] === codes[first]) block += 1;
  return block;
}

/** Neighbouring blocks of memory, or lost ones, that go to one slot. */
function endOfArenaRun(pool: PoolParts, entry: ChunkEntry, overlay: ChunkOverlay, freed: Freed, first: number): number {
  const { codes } = overlay;
  const piece = placeFor(pool, entry, overlay, first, freed);
  let block = first + 1;
  while (
    block < pool.blocksEach &&
    ((codes[block] ?? nothing) >= firstArena || codes[block] === corrupt) &&
    placeFor(pool, entry, overlay, block, freed) === piece
  )
    block += 1;
  return block;
}

/** Takes the blocks [first, end) of a fresh slot over. */
function placeSlotRun(
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  first: number,
  end: number,
): Settled<void> {
  const ref = overlay.slots[-1 - (overlay.codes[first] ?? nothing)];
  assert(ref !== undefined, 'a code names a slot of its chunk');
  const piece = pieceOf(pool, entry, ref.slot);
  claimBlocks(entry, piece, first, end);
  return andThen(checksumsFor(pool, ref.slot), (checksums) => {
    for (let block = first; block < end; block += 1) checksums.set(block, ref.checksums[block] ?? 0);
  });
}

/** Writes the blocks [first, end) of memory to the piece they go to. */
function placeArenaRun(
  pool: PoolParts,
  entry: ChunkEntry,
  overlay: ChunkOverlay,
  freed: Freed,
  transfers: Transfers,
  first: number,
  end: number,
): Settled<void> {
  const piece = placeFor(pool, entry, overlay, first, freed);
  let isNew = false;
  for (let block = first; block < end; block += 1) isNew ||= !hasBit(piece, block);
  claimBlocks(entry, piece, first, end);
  return writeRun(pool, piece.slot, overlay, first, end, isNew, transfers);
}

/** Writes the blocks [first, end) of memory, new ones or not, to a slot by one transfer, with their checksums. */
function writeRun(
  pool: PoolParts,
  slot: number,
  overlay: ChunkOverlay,
  first: number,
  end: number,
  isNew: boolean,
  transfers: Transfers,
): Settled<void> {
  const checksums = checksumsFor(pool, slot);
  return isPromise(checksums)
    ? checksums.then((there) => writeRunWith(pool, slot, there, overlay, first, end, isNew, transfers))
    : writeRunWith(pool, slot, checksums, overlay, first, end, isNew, transfers);
}

function writeRunWith(
  pool: PoolParts,
  slot: number,
  checksums: SlotChecksums,
  overlay: ChunkOverlay,
  first: number,
  end: number,
  isNew: boolean,
  transfers: Transfers,
): Settled<void> {
  const parts: Uint8Array[] = [];
  for (let block = first; block < end; block += 1) {
    const code = overlay.codes[block] ?? nothing;
    if (code === corrupt) {
      // What was lost stays lost: a block whose checksum can never match.
      parts.push(pool.zeros);
      checksums.set(block, ~checksumOf(pool.zeros) >>> 0);
      pool.cache.drop(slot * pool.blocksEach + block);
      continue;
    }
    const bytes = pool.arena.bytes(code - firstArena);
    parts.push(bytes);
    checksums.set(block, pool.arena.checksum(code - firstArena));
    pool.cache.insertWritten(slot * pool.blocksEach + block, bytes);
  }
  const written = isNew ? pool.data.writeNew(slot, first, parts) : pool.data.writeMany(slot, first, parts);
  return transfers.add(written, parts.length * blockSize);
}

/** The piece of a slot, a new one where the chunk has nothing in it yet. */
function pieceOf(pool: PoolParts, entry: ChunkEntry, slot: number): Piece {
  const there = entry.pieces.find((piece) => piece.slot === slot);
  if (there !== undefined) return there;
  const piece: Piece = { slot, birth: pool.birth, low: 0, high: 0 };
  entry.pieces.push(piece);
  pool.slots.setDurable(slot, true);
  return piece;
}

/**
 * The piece that a block of bytes goes to. One that a large write had been over goes to where that write is: in its old place it
 * would hold a slot of which everything else is free. Only where those bytes landed: elsewhere it would take room that nobody counted.
 */
function placeFor(pool: PoolParts, entry: ChunkEntry, { slots }: ChunkOverlay, block: number, freed: Freed): Piece {
  if (slots.length === 0) return pieceFor(pool, entry, block, freed);
  // One that is still written to is not recorded: its write begins anew elsewhere, and what is on its way may land behind this.
  const fresh = slots.findLast(
    ({ slot, blocks }) => blocks[block] === slotBlock.landed && !pool.slotWrites.isBusy(slot),
  );
  return fresh === undefined ? pieceFor(pool, entry, block, freed) : pieceOf(pool, entry, fresh.slot);
}

/** The piece that a block goes to, or has its room in, that no large write was over: where it is, else the first, else a fresh slot. */
function pieceFor(pool: PoolParts, entry: ChunkEntry, block: number, freed: Freed): Piece {
  for (const piece of entry.pieces) if (hasBit(piece, block)) return piece;
  const [first] = entry.pieces;
  if (first !== undefined) return first;
  const slot = takeSlot(pool);
  freed.taken.push(slot);
  const piece = pieceOf(pool, entry, slot);
  if (pool.broken === 'stale-slot-shown') for (let at = 0; at < pool.blocksEach; at += 1) setBit(piece, at, true);
  return piece;
}

/** Pieces without blocks go, but for one where room must be kept. */
function dropEmpty(pool: PoolParts, entry: ChunkEntry): void {
  if (entry.pieces.every(({ low, high }) => (low | high) !== 0)) return;
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
  if (old.length === 0 && overlay.slots.length === 0) return;
  const kept = new Set(entry.pieces.map(({ slot }) => slot));
  const gone = kept.size > 0 ? freed.moved : freed.slots;
  for (const { slot } of old) if (!kept.has(slot)) gone.push(slot);
  // Fresh slots that were overwritten before they ever got home.
  for (const { slot } of overlay.slots) {
    if (!kept.has(slot) && !old.some((piece) => piece.slot === slot)) gone.push(slot);
  }
  for (const before of old) {
    const after = entry.pieces.find(({ slot }) => slot === before.slot);
    if (after === undefined || ((before.low & ~after.low) | (before.high & ~after.high)) === 0) continue;
    for (let block = 0; block < pool.blocksEach; block += 1) {
      const keeps = after === entry.pieces[0] && hasZero(entry, block);
      if (hasBit(before, block) && !hasBit(after, block) && !keeps) freed.blocks.push({ slot: before.slot, block });
    }
  }
}
