import { assert, errorKindOf } from '@ashlar/core';
import type { Freed } from './freed.ts';
import { entriesEach, hasBit, readEntry, type Piece } from './format/map-leaf.ts';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import type { TreeRoot } from './page-tree.ts';
import type { DeadTree, PoolParts } from './state.ts';
import type { Turns } from './turns.ts';

/** The walk is over its budget: it goes on from the cursor in the next checkpoint. */
const paused = Symbol('paused');

type Walk = {
  readonly pool: PoolParts;
  readonly tree: DeadTree;
  readonly next: TreeRoot;
  readonly freed: Freed;
  readonly turns: Turns;
  left: number;
};

/**
 * Frees up to `leaves` leaves of a dead tree, and what only leads to them. `next`: the committed map of the state behind it, or an empty one.
 * Gives whether all of it is done. Before anything of the running checkpoint changes `next`.
 */
export async function freeSome(
  pool: PoolParts,
  tree: DeadTree,
  next: TreeRoot,
  leaves: number,
  freed: Freed,
  turns: Turns,
): Promise<{ readonly isDone: boolean; readonly visited: number }> {
  const walk: Walk = { pool, tree, next, freed, turns, left: leaves };
  const { ref, levels } = tree.root;
  const result = ref === undefined ? undefined : await visit(walk, ref, levels, 0);
  return { isDone: result !== paused, visited: leaves - walk.left };
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
    if (walk.left === 0) return paused;
    walk.left -= 1;
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
async function freeLeaf({ pool, tree, freed }: Walk, view: DataView, beside: PageRef | undefined): Promise<void> {
  const other = beside === undefined ? undefined : await pool.pages.read(beside);
  for (let index = 0; index < entriesEach; index += 1) {
    const own = readEntry(view, index).pieces.filter(({ birth }) => birth > tree.floor);
    if (own.length === 0) continue;
    const kept = other === undefined ? [] : readEntry(other.view, index).pieces;
    for (const piece of own)
      freePiece(
        pool,
        piece,
        kept.find(({ slot }) => slot === piece.slot),
        freed,
      );
  }
}

function freePiece(pool: PoolParts, piece: Piece, kept: Piece | undefined, freed: Freed): void {
  if (kept === undefined || pool.broken === 'freed-though-kept') {
    pool.slots.setDurable(piece.slot, false);
    freed.slots.push(piece.slot);
    return;
  }
  assert(kept.birth === piece.birth, 'a slot is of one piece in every state that has it');
  for (let block = 0; block < pool.blocksEach; block += 1) {
    if (hasBit(piece, block) && !hasBit(kept, block)) freed.blocks.add(piece.slot, block);
  }
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
