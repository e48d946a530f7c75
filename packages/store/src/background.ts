import { errorKindOf } from '@ashlar/core';
import { hasUncounted } from './count-own.ts';
import type { PoolParts } from './state.ts';

/** There are maps to free, snapshots whose turn comes, or blocks to count: checkpoints do some of it each. */
export function hasBackgroundWork({ dead, places, stores }: Pick<PoolParts, 'dead' | 'places' | 'stores'>): boolean {
  if (dead.size > 0) return true;
  for (const store of stores.values()) {
    if (store.snapshots.some(({ isDropped }) => isDropped) || hasUncounted({ dead, places }, store)) return true;
  }
  return false;
}

/**
 * Tries what takes room. Before it fails with `no-space` checkpoints run: as long as they bring back room that was given up, and two where
 * something is only known at the worst.
 */
export async function withRoom<T>(pool: PoolParts, attempt: () => T | Promise<T>): Promise<T> {
  const { counters, room } = pool;
  for (let left = 2; ;) {
    try {
      return await attempt();
    } catch (error) {
      const mayGrow = room.mayGrow || pool.hasStrays || hasBackgroundWork(pool);
      if (errorKindOf(error) !== 'no-space' || left === 0 || !mayGrow) throw error;
    }
    const before = counters.checkpoints;
    await pool.relieve();
    if (counters.checkpoints === before || !hasBackgroundWork(pool)) left -= 1;
  }
}
