import { isPromise, type Settled } from '@ashlar/core';
import { withRoom } from './background.ts';
import { blockSize } from './checksum.ts';
import type { ChunkOverlay } from './chunk-overlay.ts';
import {
  emptyEntry,
  entriesEach,
  hasOwnRoom,
  hasZero,
  isOwn,
  piecesEach,
  readEntry,
  type ChunkEntry,
} from './format/map-leaf.ts';
import { hole, nothing, reserved } from './overlay.ts';
import type { Page } from './page-file.ts';
import { sharedNow } from './snapshots.ts';
import type { ObjectState, PoolParts } from './state.ts';
import { allObjects } from './taken.ts';
import type { Target } from './target.ts';

/**
 * Rule 6: counts the blocks of a range that need new room, exactly where room is short, before anything is acknowledged. Gives the bytes. Where
 * slots are whole it counts those. It is good for the store's generation: where a snapshot ended that one before anything was written, all that the store has
 * is the snapshot's too, and it is to be withdrawn and counted anew.
 */
export function promiseRoom(target: Target, offset: number, length: number): Settled<number> {
  const { room, broken } = target.pool;
  const { reservation } = target.store;
  if (broken === 'room-not-counted') return 0;
  const most = mostRoom(target, offset, length);
  if (most > 0 && room.isTight(most, reservation)) return promiseNew(target, offset, length);
  room.promise(most, reservation);
  return most;
}

/** Whether `promiseRoom` needs no look at what is not in memory. */
export function isPromisedAtOnce(target: Target, offset: number, length: number): boolean {
  const most = mostRoom(target, offset, length);
  return most === 0 || !target.pool.room.isTight(most, target.store.reservation);
}

/** Bytes that a range may take, as far as that is known at once: never less than it does. */
function mostRoom(target: Target, offset: number, length: number): number {
  const { pool, object } = target;
  if (!pool.places.isWhole) return length;
  const shared = mostShared(target);
  let slots = 0;
  for (const chunk of chunksOf(pool, offset, length)) {
    if (hasPromised(target, chunk)) continue;
    const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
    // Who counts exactly hears of one that cannot be read.
    if (isPromise(leaf)) leaf.catch(() => undefined);
    slots += isPromise(leaf) ? 2 : slotsFor(target, chunk, leaf, shared);
  }
  return slots * pool.chunkSizeBytes;
}

function* chunksOf({ chunkSizeBytes }: PoolParts, offset: number, length: number): Generator<number> {
  for (let chunk = Math.floor(offset / chunkSizeBytes); chunk * chunkSizeBytes < offset + length; chunk += 1)
    yield chunk;
}

/** Counts exactly. */
function promiseNew(target: Target, offset: number, length: number): Promise<number> {
  const { pool, store, object } = target;
  const count = pool.places.isWhole ? countSlots : countBlocks;
  return withRoom(pool, async () => {
    const bytes = await object.tree.stable(() => count(target, offset, length));
    pool.room.promise(bytes, store.reservation);
    return bytes;
  });
}

/** Bytes of the slots that a range needs. */
async function countSlots(target: Target, offset: number, length: number): Promise<number> {
  const { pool, object } = target;
  const shared = mostShared(target);
  let slots = 0;
  for (const chunk of chunksOf(pool, offset, length)) {
    slots += slotsFor(target, chunk, await object.tree.leaf(Math.floor(chunk / entriesEach)), shared);
  }
  return slots * pool.chunkSizeBytes;
}

/**
 * Slots that a write to a chunk needs: none where one is its own or is promised already, and a second where one piece more is one too many, so that
 * all that is copied together. `leaf`: the committed one.
 */
function slotsFor({ store, object }: Target, chunk: number, leaf: Page | undefined, shared: number): number {
  if (hasPromised({ store, object }, chunk)) return 0;
  let isCleared = false;
  for (const layer of object.overlay.layersBetween(store.generation - 1, store.generation)) {
    // The running checkpoint gives the slot back perhaps before this comes home.
    if (layer !== object.overlay.active && layer.has(chunk)) isCleared = true;
  }
  const pieces = leaf === undefined ? [] : readEntry(leaf.view, chunk % entriesEach).pieces;
  if (!isCleared && pieces.some((piece) => isOwn(piece, shared))) return 0;
  return pieces.length < mostPieces(object, chunk, store.generation) ? 1 : 2;
}

/** What a recovery took over may take at the most until it is home: it was promised before, and the first checkpoint knows it exactly. */
export function recoveredRoom(pool: PoolParts): number {
  const { arena, chunkSizeBytes, places } = pool;
  if (!places.isWhole) return arena.usedBytes;
  let slots = 0;
  for (const { overlay } of allObjects(pool)) {
    for (const layer of overlay.layers()) for (const each of layer.values()) if (takesRoom(each)) slots += 2;
  }
  return slots * chunkSizeBytes;
}

/** Whether what was written to a chunk in this generation, and is not home, has what the first change of it takes. */
function hasPromised({ store, object }: Pick<Target, 'store' | 'object'>, chunk: number): boolean {
  for (const layer of object.overlay.layersBetween(store.generation - 1, store.generation)) {
    const overlay = layer.get(chunk);
    if (overlay !== undefined && takesRoom(overlay)) return true;
  }
  return false;
}

const takesRoom = ({ codes }: ChunkOverlay): boolean => codes.some((code) => code !== nothing && code !== hole);

/** Bytes of blocks in the range that have no room of their own: neither mapped, nor reserved, nor already promised. */
async function countBlocks(target: Target, offset: number, length: number): Promise<number> {
  const { pool, store, object } = target;
  const shared = mostShared(target);
  let blocks = 0;
  let counted = -1;
  for (let at = offset - (offset % blockSize); at < offset + length; at += blockSize) {
    const chunk = Math.floor(at / pool.chunkSizeBytes);
    const block = (at % pool.chunkSizeBytes) / blockSize;
    if (chunk !== counted) blocks += await countMoved(target, chunk, shared);
    counted = chunk;
    const code = object.overlay.layerSince(store.generation, chunk, block)?.codes[block] ?? nothing;
    if (code === hole) blocks += 1;
    if (code !== nothing) continue;
    const leaf = await object.tree.leaf(Math.floor(chunk / entriesEach));
    const entry = chunk % entriesEach;
    if (leaf === undefined || !hasOwnRoom(leaf.view, entry, block, shared)) blocks += 1;
  }
  return blocks * blockSize;
}

/** Up to which birth what is home may be written to a new place: what a snapshot has that is being deleted is given back bit by bit. */
function mostShared({ pool, store, object }: Target): number {
  let most = sharedNow(store);
  for (const tree of pool.dead.values()) {
    if (tree.store === store.id && tree.object === object.id && tree.snapshot >= 0) most = Math.max(most, tree.birth);
  }
  return most;
}

/**
 * Blocks of a chunk that the first change to what cannot be written to where it lies, a snapshot's or compressed, takes new room for besides its
 * own: zeros whose kept room is the snapshot's, and where one piece more is one too many all that is copied together.
 */
async function countMoved({ pool, store, object }: Target, chunk: number, shared: number): Promise<number> {
  if (hasPromised({ store, object }, chunk)) return 0;
  const leaf = await object.tree.leaf(Math.floor(chunk / entriesEach));
  const entry = leaf === undefined ? emptyEntry : readEntry(leaf.view, chunk % entriesEach);
  if (entry.pieces.some((piece) => isOwn(piece, shared))) return 0;
  return entry.pieces.length < mostPieces(object, chunk, store.generation)
    ? keptZeros(pool, object, chunk, store.generation - 1, entry)
    : pool.blocksEach;
}

/** Pieces that a chunk may have so that there is room in its entry for one more, behind those that earlier generations bring. */
function mostPieces({ overlay }: ObjectState, chunk: number, generation: number): number {
  let most = piecesEach;
  for (const layer of overlay.layersBetween(-1, generation - 1)) if (layer.has(chunk)) most -= 1;
  return most;
}

/** Blocks of a chunk that at the end of a generation read as zeros and keep their room. `home`: what of it is home. */
function keptZeros(
  { blocksEach }: PoolParts,
  { overlay }: ObjectState,
  chunk: number,
  generation: number,
  home: ChunkEntry,
): number {
  let blocks = 0;
  for (let block = 0; block < blocksEach; block += 1) {
    const code = overlay.layerAt(generation, chunk, block)?.codes[block] ?? nothing;
    if (code === reserved || (code === nothing && hasZero(home, block))) blocks += 1;
  }
  return blocks;
}
