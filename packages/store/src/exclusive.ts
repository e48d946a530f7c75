import { AshlarError, isPromise } from '@ashlar/core';
import { entriesEach, hasBit, hasZero, readEntry, type ChunkEntry, type Piece } from './format/map-leaf.ts';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import { addedByOverlay } from './space.ts';
import type { PoolParts, Readable } from './state.ts';

/** A state of an object, and those beside it that it may share blocks with. */
export type Between = {
  readonly object: Readable;
  /** What was born up to then is of an older state as well. */
  readonly floor: number;
  /** The state behind it; nothing for the newest. */
  readonly next: Readable | undefined;
};

/** How often it is begun anew where checkpoints commit meanwhile. */
const mostTries = 5;

/**
 * Blocks of data and kept room that only this state of an object has: what would come back if it were deleted. Reads the pages that were born behind
 * the state in front of it. Throws `try-later` where the object changes faster than that.
 */
export async function exclusiveBlocks(pool: PoolParts, between: Between): Promise<number> {
  const { object, floor } = between;
  for (let tries = 0; tries < mostTries; tries += 1) {
    const { root } = object.tree;
    const mapped = await ownInMap(pool, between);
    if (mapped === undefined) continue;
    const journaled = between.next === undefined ? addedByOverlay(pool, object, floor) : 0;
    if (isPromise(journaled)) await journaled;
    else if (root === object.tree.root) return mapped + journaled;
  }
  throw new AshlarError('try-later', 'the volume is written to too fast to count what is its own: try again');
}

/** Nothing where a checkpoint committed meanwhile. */
async function ownInMap(pool: PoolParts, { object, floor, next }: Between): Promise<number | undefined> {
  const { root } = object.tree;
  const nextRoot = next?.tree.root;
  let blocks = 0;
  const visit = async (ref: PageRef, level: number, first: number): Promise<boolean> => {
    if (ref.birth <= floor) return true;
    // Its pages may be used again behind the next commit.
    if (object.tree.root !== root || next?.tree.root !== nextRoot) return false;
    const { view } = await pool.pages.read(ref);
    if (level > 0) {
      const span = refsEach ** (level - 1);
      for (let index = 0; index < refsEach; index += 1) {
        const below = readRef(view, index);
        if (below !== undefined && !(await visit(below, level - 1, first + index * span))) return false;
      }
      return true;
    }
    const other = await next?.tree.leaf(first);
    for (let at = 0; at < entriesEach; at += 1) {
      const chunk = first * entriesEach + at;
      const isCovered = (block: number): boolean => next?.overlay.layerOf(chunk, block) !== undefined;
      const beside = other === undefined ? undefined : readEntry(other.view, at);
      blocks += ownInEntry(pool, readEntry(view, at), beside, floor, isCovered);
    }
    return true;
  };
  const { ref, levels } = root;
  return ref === undefined || (await visit(ref, levels, 0)) ? blocks : undefined;
}

/** `isCovered`: something was written over the block in the state behind, and is not home. */
function ownInEntry(
  pool: PoolParts,
  entry: ChunkEntry,
  beside: ChunkEntry | undefined,
  floor: number,
  isCovered: (block: number) => boolean,
): number {
  const born = entry.pieces.filter(({ birth }) => birth > floor);
  const own = born.filter(({ packed }) => packed === 0);
  const isKept = beside !== undefined && isSame(entry, beside);
  let blocks = 0;
  for (const piece of born) if (!isSharedWhole(pool, piece, beside, isCovered)) blocks += piece.packed;
  for (let block = 0; own.length > 0 && block < pool.blocksEach; block += 1) {
    const piece = own.find((each) => hasBit(each, block));
    if (piece === undefined && !hasZero(entry, block)) continue;
    const there = piece === undefined ? undefined : beside?.pieces.find(({ slot }) => slot === piece.slot);
    const isShared = piece === undefined ? isKept : there !== undefined && hasBit(there, block);
    if (!isShared || isCovered(block)) blocks += 1;
  }
  return blocks;
}

/** Whether a state beside has anything of a piece, that nothing is written over: what is compressed is so as a whole. */
function isSharedWhole(
  pool: PoolParts,
  { slot }: Piece,
  beside: ChunkEntry | undefined,
  isCovered: (block: number) => boolean,
): boolean {
  const there = beside?.pieces.find((piece) => piece.slot === slot);
  if (there === undefined) return false;
  for (let block = 0; block < pool.blocksEach; block += 1) if (hasBit(there, block) && !isCovered(block)) return true;
  return false;
}

function isSame(one: ChunkEntry, other: ChunkEntry): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
