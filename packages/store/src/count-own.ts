import { hasDeadSnapshots } from './dead-trees.ts';
import { blockSize } from './checksum.ts';
import { entriesEach, readEntry } from './format/map-leaf.ts';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import { ownOf } from './homing.ts';
import { sharedNow } from './snapshots.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import type { Turns } from './turns.ts';

/** Bytes of a store's objects that are its own and home. Where that is being counted anew it is less than there is. */
export function ownBytesOf(pool: Pick<PoolParts, 'places'>, store: StoreState): number {
  const hasAll = ownsAll(pool, store);
  let blocks = 0;
  for (const object of store.objects.values()) {
    if (hasAll) blocks += object.committedBlocks;
    else if (!isWholeShared(store, object)) blocks += object.own.blocks;
  }
  return blocks * blockSize;
}

/** What it has is its own, and how much that is is known: where slots are whole they are counted by themselves. */
function ownsAll({ places }: Pick<PoolParts, 'places'>, store: StoreState): boolean {
  return !places.isWhole && sharedNow(store) < 0;
}

/** All that is home of it is its newest snapshot's as well: it has not changed since. */
function isWholeShared({ snapshots }: StoreState, { generation }: ObjectState): boolean {
  const newest = snapshots.at(-1);
  return newest !== undefined && newest.id >= generation;
}

function isUncounted(store: StoreState, object: ObjectState): boolean {
  return !object.own.isExact && !isWholeShared(store, object);
}

/** What is the store's own is wanted, and not known exactly. */
export function hasUncounted(pool: Pick<PoolParts, 'dead' | 'places'>, store: StoreState): boolean {
  if (!store.isCounted || ownsAll(pool, store)) return false;
  if (hasDeadSnapshots(pool, store.id)) return true;
  return [...store.objects.values()].some((object) => isUncounted(store, object));
}

/** Counts some of what must be counted anew. Before the running checkpoint changes any map. */
export async function countSome(pool: PoolParts, turns: Turns): Promise<void> {
  let left = pool.deadLeavesAtOnce;
  for (const store of pool.stores.values()) {
    // What a snapshot that goes still has is not known before it is gone.
    if (!store.isCounted || ownsAll(pool, store) || hasDeadSnapshots(pool, store.id)) continue;
    for (const object of store.objects.values()) {
      if (left === 0) return;
      if (isUncounted(store, object)) left = await countObject(pool, store, object, left, turns);
    }
  }
}

type Walk = {
  readonly pool: PoolParts;
  readonly object: ObjectState;
  readonly shared: number;
  readonly turns: Turns;
  left: number;
};

async function countObject(
  pool: PoolParts,
  store: StoreState,
  object: ObjectState,
  leaves: number,
  turns: Turns,
): Promise<number> {
  const walk: Walk = { pool, object, shared: sharedNow(store), turns, left: leaves };
  const { ref, levels } = object.tree.root;
  if (ref === undefined || (await visit(walk, ref, levels, 0))) object.own.countedAll();
  return walk.left;
}

/** False where as many leaves as it may look at did not do: it goes on from the cursor in the next checkpoint. */
async function visit(walk: Walk, ref: PageRef, level: number, first: number): Promise<boolean> {
  const { pool, object, shared, turns } = walk;
  const { own } = object;
  const end = first + refsEach ** level;
  if (end <= own.cursor) return true;
  if (ref.birth > shared) {
    if (turns.isOver) await turns.next();
    const { view } = await pool.pages.read(ref);
    if (level > 0) {
      const span = refsEach ** (level - 1);
      for (let index = 0; index < refsEach; index += 1) {
        const below = readRef(view, index);
        if (below !== undefined && !(await visit(walk, below, level - 1, first + index * span))) return false;
      }
    } else {
      if (walk.left === 0) return false;
      walk.left -= 1;
      let blocks = 0;
      for (let index = 0; index < entriesEach; index += 1) blocks += ownOf(pool, readEntry(view, index), shared);
      own.countedTo(end, blocks);
    }
  }
  if (own.cursor < end) own.countedTo(end, 0);
  return true;
}
