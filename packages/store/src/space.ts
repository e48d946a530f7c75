import { isPromise, type Settled, type Space } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, hasOwnRoom, hasPacked, hasRoom, readEntry, setBit } from './format/map-leaf.ts';
import type { Layer } from './layer.ts';
import { hole, nothing } from './overlay.ts';
import type { Page } from './page-file.ts';
import type { ObjectState, PoolParts, Readable } from './state.ts';

/** Blocks of an object. */
export type Blocks = {
  /** Taken by data and kept room. */
  readonly taken: number;
  /** The same if nothing of it were compressed. */
  readonly held: number;
};

/** Exactly: the committed map's count and what the overlay changes. */
export async function blocksInUse(pool: PoolParts, object: ObjectState): Promise<Blocks> {
  for (;;) {
    let taken = object.committedBlocks;
    let held = taken + object.committedSaved;
    const fetching = lookAtOverlay(pool, object, (entry, leaf, codes) => {
      taken += takenBy(codes, leaf, entry, -1);
      held += heldBy(codes, leaf, entry);
    });
    if (fetching === undefined) return { taken, held };
    await fetching;
  }
}

/** How many blocks more the overlay takes than what it is over took of pieces born behind `floor`. */
export function addedByOverlay(pool: PoolParts, object: Readable, floor: number): Settled<number> {
  let added = 0;
  const fetching = lookAtOverlay(pool, object, (entry, leaf, codes) => {
    added += takenBy(codes, leaf, entry, floor);
  });
  return fetching === undefined ? added : fetching.then(() => 0);
}

/** What the overlay says of a chunk's blocks, and the leaf that the chunk has an entry of. */
type Look = (entry: number, leaf: Page | undefined, codes: Int32Array) => void;

/**
 * Looks at all chunks of the overlay in one turn, so that neither a write nor a checkpoint comes between: some ten thousand, while everybody waits. Where
 * leaves must be fetched that is begun, and some chunks were not looked at.
 */
function lookAtOverlay({ blocksEach }: PoolParts, object: Readable, look: Look): Promise<unknown> | undefined {
  const layers = [...object.overlay.layers()];
  const merged = new Int32Array(blocksEach);
  const fetching: Promise<unknown>[] = [];
  for (const [depth, layer] of layers.entries()) {
    const [above, below] = [layers.slice(0, depth), layers.slice(depth + 1)];
    for (const [chunk, { codes }] of layer) {
      if (above.some((each) => each.has(chunk))) continue;
      const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
      if (isPromise(leaf)) fetching.push(leaf);
      else look(chunk % entriesEach, leaf, codesOver(codes, below, chunk, merged));
    }
  }
  return fetching.length === 0 ? undefined : Promise.all(fetching);
}

/** A chunk's codes, and where they say nothing those of the layers below. */
function codesOver(codes: Int32Array, below: readonly Layer[], chunk: number, into: Int32Array): Int32Array {
  let merged = codes;
  for (const layer of below) {
    const there = layer.get(chunk);
    if (there === undefined) continue;
    if (merged === codes) into.set(codes);
    merged = into;
    for (let block = 0; block < into.length; block += 1) if (into[block] === nothing) into[block] = there.codes[block]!;
  }
  return merged;
}

function takenBy(codes: Int32Array, leaf: Page | undefined, entry: number, floor: number): number {
  if (leaf === undefined) return addedBy(codes, hadNothing);
  const blocks = addedBy(codes, (block) => hasOwnRoom(leaf.view, entry, block, floor));
  return hasPacked(leaf.view, entry) ? blocks - packedGone(codes, leaf, entry, floor) : blocks;
}

function heldBy(codes: Int32Array, leaf: Page | undefined, entry: number): number {
  return addedBy(codes, leaf === undefined ? hadNothing : (block) => hasRoom(leaf.view, entry, block));
}

const hadNothing = (): boolean => false;

/** How many blocks more have room by what the codes say than had it before. */
function addedBy(codes: Int32Array, hadRoom: (block: number) => boolean): number {
  let blocks = 0;
  for (let block = 0; block < codes.length; block += 1) {
    const code = codes[block]!;
    if (code !== nothing) blocks += Number(code !== hole) - Number(hadRoom(block));
  }
  return blocks;
}

/** A compressed piece keeps its room until the last of it is gone. */
function packedGone(codes: Int32Array, leaf: Page, entry: number, floor: number): number {
  const gone = { low: 0, high: 0 };
  for (const [block, code] of codes.entries()) if (code !== nothing) setBit(gone, block, true);
  let blocks = 0;
  for (const { birth, packed, low, high } of readEntry(leaf.view, entry).pieces) {
    if (birth > floor && ((low & ~gone.low) | (high & ~gone.high)) === 0) blocks += packed;
  }
  return blocks;
}

/** From blocks that are taken, those of them that nobody else has, and what they hold. */
export function spaceFrom(virtualBytes: number, blocks: number, own: number, held: number): Space {
  const [allocatedBytes, exclusiveBytes] = [blocks * blockSize, own * blockSize];
  const sharedBytes = allocatedBytes - exclusiveBytes;
  return { virtualBytes, allocatedBytes, exclusiveBytes, sharedBytes, uncompressedBytes: held * blockSize };
}
