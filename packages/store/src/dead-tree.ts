import { assert, errorKindOf } from '@ashlar/core';
import type { Freed } from './freed.ts';
import { emptyEntry, entriesEach, hasBit, hasZero, readEntry, type ChunkEntry, type Piece } from './format/map-leaf.ts';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import type { TreeRoot } from './page-tree.ts';
import type { DeadTree, PoolParts } from './state.ts';
import type { Turns } from './turns.ts';

/** The walk is over its budget: it goes on from the cursor in the next checkpoint. */
const paused = Symbol('paused');

/** What a checkpoint may still free: leaves, and places that the host is told of, one by one where they are no neighbours. */
export type Budget = { leaves: number; places: number };

type Walk = {
  readonly pool: PoolParts;
  readonly tree: DeadTree;
  readonly next: TreeRoot;
  readonly budget: Budget;
  readonly freed: Freed;
  readonly turns: Turns;
};

/**
 * Frees leaves of a dead tree while the budget lasts, and what only leads to them. `next`: the committed map of the state behind it, or an empty one.
 * Gives whether all of it is done. Before anything of the running checkpoint changes `next`.
 */
export async function freeSome(
  pool: PoolParts,
  tree: DeadTree,
  next: TreeRoot,
  budget: Budget,
  freed: Freed,
  turns: Turns,
): Promise<boolean> {
  const walk: Walk = { pool, tree, next, budget, freed, turns };
  const { ref, levels } = tree.root;
  return ref === undefined || (await visit(walk, ref, levels, 0)) !== paused;
}

/**
 * As `free`. What cannot be read, of the tree or of the state behind it, is passed over: nobody knows what it would free, and one damaged page must not
 * hold up every checkpoint. The check tells that room as leaked, and a repair gives it back.
 */
async function visit(walk: Walk, ref: PageRef, level: number, first: number): Promise<typeof paused | undefined> {
  try {
    return await free(walk, ref, level, first);
  } catch (error) {
    if (errorKindOf(error) !== 'corrupt') throw error;
    return skip(walk.tree, first + refsEach ** level);
  }
}

/** Frees the page and what lies below it, from the cursor on. `first`: its first leaf. Reads what it needs before it frees anything. */
async function free(walk: Walk, ref: PageRef, level: number, first: number): Promise<typeof paused | undefined> {
  const { pool, tree, turns } = walk;
  const end = first + refsEach ** level;
  if (end <= tree.cursor) return undefined;
  if (ref.birth <= tree.floor) return skip(tree, end);
  const beside = await refAt(walk, level, first);
  if (beside?.page === ref.page) return skip(tree, end);
  if (turns.isOver) await turns.next();
  const { view } = await pool.pages.read(ref);
  if (level === 0) {
    if (walk.budget.leaves === 0 || walk.budget.places <= 0) return paused;
    walk.budget.leaves -= 1;
    await freeLeaf(walk, view, beside);
  } else {
    for (let index = 0; index < refsEach; index += 1) {
      const below = readRef(view, index);
      const span = refsEach ** (level - 1);
      if (below === undefined) continue;
      if ((await visit(walk, below, level - 1, first + index * span)) === paused) return paused;
    }
  }
  pool.pages.free(ref);
  return skip(tree, end);
}

function skip(tree: DeadTree, end: number): undefined {
  tree.cursor = Math.max(tree.cursor, end);
  return undefined;
}

/** Slots and blocks of a leaf's chunks that the state behind it does not have. */
async function freeLeaf(walk: Walk, view: DataView, beside: PageRef | undefined): Promise<void> {
  const { pool, tree } = walk;
  const other = beside === undefined ? undefined : await pool.pages.read(beside);
  for (let index = 0; index < entriesEach; index += 1) {
    const entry = readEntry(view, index);
    const kept = other === undefined ? emptyEntry : readEntry(other.view, index);
    for (const piece of entry.pieces) if (piece.birth > tree.floor) freePiece(walk, entry, piece, kept);
  }
}

/** A piece of an entry, of which `behind` is the one of the state behind it. */
function freePiece({ pool, budget, freed }: Walk, entry: ChunkEntry, piece: Piece, behind: ChunkEntry): void {
  const kept = behind.pieces.find(({ slot }) => slot === piece.slot);
  if (kept === undefined || pool.broken === 'freed-though-kept') {
    if (freed.slots.at(-1) !== piece.slot - 1) budget.places -= 1;
    pool.slots.setDurable(piece.slot, false);
    freed.slots.push(piece.slot);
    return;
  }
  assert(kept.birth === piece.birth, 'a slot is of one piece in every state that has it');
  // What is compressed stays as long as anybody has any of it.
  if (piece.packed > 0 && pool.broken !== 'packed-punched') return;
  let isFreed = false;
  for (let block = 0; block < pool.blocksEach; block += 1) {
    if (hasBit(kept, block)) continue;
    // The room that zeros keep lies in one of the pieces, of both states where both keep it.
    if (!hasBit(piece, block) && (!hasZero(entry, block) || hasZero(behind, block))) continue;
    freed.blocks.add(piece.slot, block);
    isFreed = true;
  }
  if (isFreed) budget.places -= 1;
}

/** The page of the state behind, of that level and from that leaf on. */
async function refAt({ pool, next }: Walk, level: number, first: number): Promise<PageRef | undefined> {
  let { ref } = next;
  if (ref === undefined || level > next.levels || first >= refsEach ** next.levels) return undefined;
  for (let at = next.levels; at > level && ref !== undefined; at -= 1) {
    const { view } = await pool.pages.read(ref);
    ref = readRef(view, Math.floor(first / refsEach ** (at - 1)) % refsEach);
  }
  return ref;
}
