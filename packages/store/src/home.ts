import { andThen, assert, isPromise, type Settled } from '@ashlar/core';
import { blockSize, checksumOf } from './checksum.ts';
import {
  claimBlocks,
  countBits,
  entriesEach,
  hasBit,
  hasZero,
  isOwn,
  piecesEach,
  readEntry,
  setBit,
  setZero,
  ownSlotOf,
  slotOf,
  writeEntry,
  type ChunkEntry,
  type Piece,
} from './format/map-leaf.ts';
import { corrupt, firstArena, hole, nothing, reserved } from './overlay.ts';
import { slotBlock, type ChunkOverlay } from './chunk-overlay.ts';
import type { Page } from './page-file.ts';
import { takeSlot } from './fresh-slot.ts';
import { gather } from './gather.ts';
import { addCounts, countsOf, holdsCopy, type Homing, type Placing } from './homing.ts';
import { repack, repackOf } from './repack.ts';
import { checksumsFor, type SlotChecksums } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/**
 * Brings one chunk's frozen overlay home: bytes to slots, and the map's entry and the checksums to match. Blocks that
 * have a place of their own are overwritten there; readers have them from the overlay until the commit (rule 1).
 */
export function bringHome(homing: Homing, chunk: number, overlay: ChunkOverlay): Settled<void> {
  const leaf = homing.object.tree.current(Math.floor(chunk / entriesEach));
  if (isPromise(leaf)) return leaf.then((there) => bringTo(homing, chunk, there, overlay));
  return bringTo(homing, chunk, leaf, overlay);
}

function bringTo(homing: Homing, chunk: number, leaf: Page | undefined, overlay: ChunkOverlay): Settled<void> {
  const index = chunk % entriesEach;
  const shared = homing.shared.inLeaf(Math.floor(chunk / entriesEach));
  return leaf !== undefined &&
    keepsItsPlace(homing.pool, leaf.view, index, overlay, shared) &&
    !isToCompress(homing, leaf.view, chunk, overlay, shared)
    ? overwrite(homing, leaf.view, index, overlay, 0)
    : rearrange(homing, chunk, overlay, shared);
}

function isToCompress(homing: Homing, leaf: DataView, chunk: number, overlay: ChunkOverlay, shared: number): boolean {
  if (homing.compression === 'off') return false;
  const entry = readEntry(leaf, chunk % entriesEach);
  return repackOf({ homing, chunk, entry, overlay, shared, moves: false }) !== undefined;
}

/** Every block is overwritten where it lies: the entry stays as it is. So it is with most small writes. */
function keepsItsPlace(
  pool: PoolParts,
  leaf: DataView,
  index: number,
  { codes }: ChunkOverlay,
  shared: number,
): boolean {
  for (let block = 0; block < pool.blocksEach; block += 1) {
    const code = codes[block] ?? nothing;
    if (code !== nothing && (code < firstArena || ownSlotOf(leaf, index, block, shared) < 0)) return false;
  }
  return true;
}

function overwrite(homing: Homing, leaf: DataView, index: number, overlay: ChunkOverlay, from: number): Settled<void> {
  const { pool } = homing;
  for (let block = from; block < pool.blocksEach;) {
    if (overlay.codes[block] === nothing) {
      block += 1;
      continue;
    }
    const slot = slotOf(leaf, index, block);
    const start = block;
    while (block < pool.blocksEach && overlay.codes[block] !== nothing && slotOf(leaf, index, block) === slot)
      block += 1;
    const written = writeRun(homing, slot, overlay, start, block, false);
    if (isPromise(written)) return overwriteBehind(written, homing, leaf, index, overlay, block);
  }
}

/** Apart: a closure in the loop would cost memory for each of its blocks, whether it is made or not. */
async function overwriteBehind(
  written: Promise<void>,
  homing: Homing,
  leaf: DataView,
  index: number,
  overlay: ChunkOverlay,
  from: number,
): Promise<void> {
  await written;
  await overwrite(homing, leaf, index, overlay, from);
}

/** Brings a chunk home whose entry changes. Settles at once where its leaves are cached, so that the transfers of many go together. */
function rearrange(homing: Homing, chunk: number, overlay: ChunkOverlay, shared: number): Settled<void> {
  const { object } = homing;
  const index = chunk % entriesEach;
  const leaf = Math.floor(chunk / entriesEach);
  return andThen(object.tree.change(leaf), ({ view }) => {
    const entry = readEntry(view, index);
    const before = countsOf(homing.pool, entry, shared);
    const old = entry.pieces.map((piece) => ({ ...piece }));
    const moves = entry.pieces.every(({ birth }) => birth <= shared);
    const placing = { homing, chunk, entry, overlay, shared, moves };
    return andThen(placeAll(placing), () =>
      andThen(isCrowded(placing) || isScattered(placing) ? gatherPieces(homing, entry) : undefined, () => {
        noteDense(placing);
        dropEmpty(placing);
        keepRoom(placing);
        noteFreed(placing, old);
        writeEntry(view, index, entry);
        addCounts(object, leaf, before, countsOf(homing.pool, entry, shared));
      }),
    );
  });
}

/** What came by large writes to a store that is compressed was looked at, and does not compress. */
function noteDense({ homing, entry, overlay }: Placing): void {
  if (homing.compression === 'off' || overlay.slots.length === 0) return;
  entry.dense = Math.max(
    entry.dense,
    overlay.codes.reduce((sum, code) => sum + Number(code < 0), 0),
  );
}

/** Together where it is to be compressed, else each block where it goes. */
function placeAll(placing: Placing): Settled<void> {
  const together = repackOf(placing);
  if (together === undefined) return placeBlocks(placing, 0);
  return andThen(repack(placing, together), (isDone) => (isDone ? clearBlocks(placing) : placeBlocks(placing, 0)));
}

/** Whether the chunk has more pieces than its entry holds, or will with the one that room is kept in. */
function isCrowded(placing: Placing): boolean {
  const { overlay, shared } = placing;
  const stay = stayingPieces(placing);
  if (stay.length !== piecesEach) return stay.length > piecesEach;
  return !stay.some((piece) => isOwn(piece, shared)) && overlay.codes.includes(reserved);
}

/**
 * Whether a chunk has more slots of its own than one where each takes all of its room: one is enough, while there is room to copy it together. What was
 * a snapshot's that is gone leaves such.
 */
function isScattered({ homing, entry, shared }: Placing): boolean {
  const { chunkSizeBytes, places } = homing.pool;
  if (!places.isWhole) return false;
  const own = entry.pieces.filter((piece) => isOwn(piece, shared) && countBits(piece) > 0);
  return own.length > 1 && holdsCopy(homing, chunkSizeBytes);
}

/** Some of what is copied together may still be on its way. */
async function gatherPieces({ pool, freed, transfers, birth }: Homing, entry: ChunkEntry): Promise<void> {
  await transfers.drained();
  await gather(pool, entry, freed, birth);
}

/** Places the blocks from `first` on. Settles at once where checksums are cached, as a rule. */
function placeBlocks(placing: Placing, first: number): Settled<void> {
  const { entry, overlay } = placing;
  const { pool } = placing.homing;
  for (let block = first; block < pool.blocksEach;) {
    const code = overlay.codes[block] ?? nothing;
    if (code === nothing) {
      block += 1;
      continue;
    }
    if (code === hole || code === reserved) {
      clearBlock(entry, block, code);
      block += 1;
      continue;
    }
    const start = block;
    const next = code < 0 ? endOfSlotRun(pool, overlay, start) : endOfArenaRun(placing, start);
    const placed = code < 0 ? placeSlotRun(placing, start, next) : placeArenaRun(placing, start, next);
    if (isPromise(placed)) return placeBehind(placed, placing, next);
    block = next;
  }
}

function clearBlock(entry: ChunkEntry, block: number, code: number): void {
  for (const piece of entry.pieces) setBit(piece, block, false);
  setZero(entry, block, code === reserved);
}

/** Of a chunk whose bytes are placed. */
function clearBlocks({ entry, overlay }: Placing): void {
  for (const [block, code] of overlay.codes.entries()) {
    if (code === hole || code === reserved) clearBlock(entry, block, code);
  }
}

/** Apart, as `overwriteBehind`. */
async function placeBehind(placed: Promise<void>, placing: Placing, from: number): Promise<void> {
  await placed;
  await placeBlocks(placing, from);
}

/** Neighbouring blocks of one fresh slot. */
function endOfSlotRun(pool: PoolParts, { codes }: ChunkOverlay, first: number): number {
  let block = first + 1;
  while (block < pool.blocksEach && codes[block] === codes[first]) block += 1;
  return block;
}

/** Neighbouring blocks of memory, or lost ones, that go to one slot. */
function endOfArenaRun(placing: Placing, first: number): number {
  const { codes } = placing.overlay;
  const { pool } = placing.homing;
  const piece = placeFor(placing, first);
  let block = first + 1;
  while (
    block < pool.blocksEach &&
    ((codes[block] ?? nothing) >= firstArena || codes[block] === corrupt) &&
    placeFor(placing, block) === piece
  )
    block += 1;
  return block;
}

/** Takes the blocks [first, end) of a fresh slot over. */
function placeSlotRun(placing: Placing, first: number, end: number): Settled<void> {
  const { overlay } = placing;
  const ref = overlay.slots[-1 - (overlay.codes[first] ?? nothing)];
  assert(ref !== undefined, 'a code names a slot of its chunk');
  const piece = pieceOf(placing, ref.slot);
  claim(placing, piece, first, end);
  return andThen(checksumsFor(placing.homing.pool, ref.slot), (checksums) => {
    for (let block = first; block < end; block += 1) checksums.set(block, ref.checksums[block] ?? 0);
  });
}

/**
 * A piece takes the blocks [first, end) over. Where they were they are a snapshot's, if anybody's: what the cache has of them makes room for
 * what is read now, else it would fill with the past of a volume that snapshots are taken of.
 */
function claim({ homing, entry }: Placing, piece: Piece, first: number, end: number): void {
  const { cache, blocksEach } = homing.pool;
  for (const each of entry.pieces) {
    if (each === piece) continue;
    for (let block = first; block < end; block += 1) {
      if (hasBit(each, block)) cache.drop(each.slot * blocksEach + block);
    }
  }
  claimBlocks(entry, piece, first, end);
}

/** Writes the blocks [first, end) of memory to the piece they go to. */
function placeArenaRun(placing: Placing, first: number, end: number): Settled<void> {
  const piece = placeFor(placing, first);
  let isNew = false;
  for (let block = first; block < end; block += 1) isNew ||= !hasBit(piece, block);
  claim(placing, piece, first, end);
  placing.homing.freed.blocks.keep(piece.slot, first, end);
  return writeRun(placing.homing, piece.slot, placing.overlay, first, end, isNew);
}

/** Writes the blocks [first, end) of memory, new ones or not, to a slot by one transfer, with their checksums. */
function writeRun(
  homing: Homing,
  slot: number,
  overlay: ChunkOverlay,
  first: number,
  end: number,
  isNew: boolean,
): Settled<void> {
  const checksums = checksumsFor(homing.pool, slot);
  return isPromise(checksums)
    ? checksums.then((there) => writeRunWith(homing, slot, there, overlay, first, end, isNew))
    : writeRunWith(homing, slot, checksums, overlay, first, end, isNew);
}

function writeRunWith(
  { pool, transfers }: Homing,
  slot: number,
  checksums: SlotChecksums,
  overlay: ChunkOverlay,
  first: number,
  end: number,
  isNew: boolean,
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
function pieceOf({ homing, entry }: Placing, slot: number): Piece {
  const there = entry.pieces.find((piece) => piece.slot === slot);
  if (there !== undefined) return there;
  const piece: Piece = { slot, birth: homing.birth, low: 0, high: 0, packed: 0 };
  entry.pieces.push(piece);
  homing.pool.slots.setDurable(slot, true);
  return piece;
}

/**
 * The piece that a block of bytes goes to. One that a large write had been over goes to where that write is: in its old place it
 * would hold a slot of which everything else is free. Only where those bytes landed: elsewhere it would take room that nobody counted.
 */
function placeFor(placing: Placing, block: number): Piece {
  const { slots } = placing.overlay;
  if (slots.length === 0) return pieceFor(placing, block);
  // One that is still written to is not recorded: its write begins anew elsewhere, and what is on its way may land behind this.
  const { slotWrites } = placing.homing.pool;
  const fresh = slots.findLast(({ slot, blocks }) => blocks[block] === slotBlock.landed && !slotWrites.isBusy(slot));
  return fresh === undefined ? pieceFor(placing, block) : pieceOf(placing, fresh.slot);
}

/**
 * The piece that a block goes to, or has its room in, that no large write was over: of those that may be written to the one where it is, else
 * the first, else a fresh slot.
 */
function pieceFor(placing: Placing, block: number): Piece {
  const { homing, entry, shared } = placing;
  const { pool } = homing;
  let first: Piece | undefined;
  for (const piece of entry.pieces) {
    if (!isOwn(piece, shared)) continue;
    if (hasBit(piece, block)) return piece;
    first ??= piece;
  }
  if (first !== undefined) return first;
  const slot = takeSlot(pool);
  homing.freed.taken.push(slot);
  const piece = pieceOf(placing, slot);
  if (pool.broken === 'stale-slot-shown') for (let at = 0; at < pool.blocksEach; at += 1) setBit(piece, at, true);
  return piece;
}

/** Those with blocks, and one where room must be kept. */
function stayingPieces({ entry, shared }: Placing): Piece[] {
  const full = entry.pieces.filter((piece) => (piece.low | piece.high) !== 0);
  if ((entry.zeroLow | entry.zeroHigh) === 0) return full;
  const first = entry.pieces.find((piece) => isOwn(piece, shared));
  // Zeros keep their room in a piece that may be written to; as long as there is none, in one of the snapshots'.
  const holder = first ?? entry.pieces.find(({ packed }) => packed === 0);
  const isHeld = full.some((piece) => piece.packed === 0 && (first === undefined || piece.birth > shared));
  return isHeld || holder === undefined ? full : [...full, holder];
}

/** Pieces without blocks go, but for one where room must be kept. */
function dropEmpty(placing: Placing): void {
  const { homing, entry, shared } = placing;
  if (entry.pieces.every(({ low, high }) => (low | high) !== 0)) return;
  const stay = stayingPieces(placing);
  for (const piece of entry.pieces) {
    if (!stay.includes(piece) && piece.birth > shared) homing.pool.slots.setDurable(piece.slot, false);
  }
  entry.pieces = stay;
}

/** Notes which blocks read as zeros and must have room all the same: new ones, and all when the room moves. */
function keepRoom(placing: Placing): void {
  const { entry, overlay, shared, moves } = placing;
  const { pool, freed } = placing.homing;
  const hasOwn = overlay.codes.includes(reserved) || entry.pieces.some((piece) => isOwn(piece, shared));
  const needsRoom = (block: number): boolean =>
    overlay.codes[block] === reserved || (moves && hasOwn && hasZero(entry, block));
  for (let block = 0; block < pool.blocksEach; block += 1) {
    if (!needsRoom(block)) continue;
    const first = block;
    while (block < pool.blocksEach && needsRoom(block)) block += 1;
    const { slot } = pieceFor(placing, first);
    freed.blocks.keep(slot, first, block);
    freed.reserved.push({ slot, block: first, blocks: block - first });
  }
}

/** Only what is nobody else's: a snapshot's pieces are freed with it. */
function noteFreed({ homing, entry, overlay, shared }: Placing, pieces: readonly Piece[]): void {
  const { pool, freed } = homing;
  const old = pieces.filter(({ birth }) => birth > shared);
  const first = entry.pieces.find((piece) => isOwn(piece, shared));
  if (old.length === 0 && overlay.slots.length === 0) return;
  const kept = new Set(entry.pieces.map(({ slot }) => slot));
  const gone = kept.size > 0 && homing.compression === 'off' ? freed.moved : freed.slots;
  for (const { slot } of old) if (!kept.has(slot)) gone.push(slot);
  // Fresh slots that were overwritten before they ever got home.
  for (const { slot } of overlay.slots) {
    if (!kept.has(slot) && !old.some((piece) => piece.slot === slot)) gone.push(slot);
  }
  for (const before of old) {
    const after = entry.pieces.find(({ slot }) => slot === before.slot);
    if (after === undefined || (after.packed > 0 && pool.broken !== 'packed-punched')) continue;
    if (((before.low & ~after.low) | (before.high & ~after.high)) === 0) continue;
    for (let block = 0; block < pool.blocksEach; block += 1) {
      const keeps = after === first && hasZero(entry, block);
      if (hasBit(before, block) && !hasBit(after, block) && !keeps) freed.blocks.add(before.slot, block);
    }
  }
}
