import { isPromise, type Settled, type Space } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, hasOwnRoom, hasRoom, readEntry, setBit } from './format/map-leaf.ts';
import { hole, nothing } from './overlay.ts';
import type { Page } from './page-file.ts';
import type { ObjectState, PoolParts, Readable } from './state.ts';

/** Blocks that an object takes by data and kept room, exactly: the committed map's count and what the overlay changes. */
export async function blocksInUse(pool: PoolParts, object: ObjectState): Promise<number> {
  for (;;) {
    const added = addedByOverlay(pool, object, -1);
    if (!isPromise(added)) return object.committedBlocks + added;
    await added;
  }
}

/** The same if nothing of it were compressed. */
export async function blocksHeld(pool: PoolParts, object: ObjectState): Promise<number> {
  for (;;) {
    const added = sumOverChunks(object, (chunk, leaf) => heldByOverlay(pool.blocksEach, object, chunk, leaf));
    if (!isPromise(added)) return object.committedBlocks + object.committedSaved + added;
    await added;
  }
}

/** How many blocks more the overlay takes than what it is over took of pieces born behind `floor`. */
export function addedByOverlay(pool: PoolParts, object: Readable, floor: number): Settled<number> {
  return sumOverChunks(object, (chunk, leaf) => takenByOverlay(pool, object, floor, chunk, leaf));
}

/** Counts in one turn, so that neither a write nor a checkpoint comes between; or fetches the leaves that it needs, and counts nothing. */
function sumOverChunks(object: Readable, countOf: (chunk: number, leaf: Page | undefined) => number): Settled<number> {
  const chunks = new Set<number>();
  for (const layer of object.overlay.layers()) for (const chunk of layer.keys()) chunks.add(chunk);
  const fetching: Promise<unknown>[] = [];
  let blocks = 0;
  for (const chunk of chunks) {
    const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
    if (isPromise(leaf)) fetching.push(leaf);
    else blocks += countOf(chunk, leaf);
  }
  return fetching.length === 0 ? blocks : Promise.all(fetching).then(() => 0);
}

function takenByOverlay(
  pool: PoolParts,
  { overlay }: Readable,
  floor: number,
  chunk: number,
  leaf: Page | undefined,
): number {
  const gone = { low: 0, high: 0 };
  let blocks = 0;
  for (let block = 0; block < pool.blocksEach; block += 1) {
    const code = overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
    if (code === nothing) continue;
    setBit(gone, block, true);
    const before = leaf !== undefined && hasOwnRoom(leaf.view, chunk % entriesEach, block, floor);
    blocks += Number(code !== hole) - Number(before);
  }
  if (leaf === undefined) return blocks;
  // A compressed piece keeps its room until the last of it is gone.
  for (const { birth, packed, low, high } of readEntry(leaf.view, chunk % entriesEach).pieces) {
    if (birth > floor && ((low & ~gone.low) | (high & ~gone.high)) === 0) blocks -= packed;
  }
  return blocks;
}

function heldByOverlay(blocksEach: number, { overlay }: Readable, chunk: number, leaf: Page | undefined): number {
  let blocks = 0;
  for (let block = 0; block < blocksEach; block += 1) {
    const code = overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
    if (code === nothing) continue;
    const before = leaf !== undefined && hasRoom(leaf.view, chunk % entriesEach, block);
    blocks += Number(code !== hole) - Number(before);
  }
  return blocks;
}

/** From blocks that are taken, those of them that nobody else has, and what they hold. */
export function spaceFrom(virtualBytes: number, blocks: number, own: number, held: number): Space {
  const [allocatedBytes, exclusiveBytes] = [blocks * blockSize, own * blockSize];
  const sharedBytes = allocatedBytes - exclusiveBytes;
  return { virtualBytes, allocatedBytes, exclusiveBytes, sharedBytes, uncompressedBytes: held * blockSize };
}
