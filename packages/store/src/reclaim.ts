import type { PoolParts } from './state.ts';

/** Extents looked at between two turns of the thread. */
const extentsAtOnce = 1024;

/** Gives the host the room of free slots that it keeps for the next writes, above `keep`. */
export async function giveUpWarm(pool: PoolParts, keep: number): Promise<void> {
  for (const slot of pool.slots.takeWarm(keep)) await giveUp(pool, slot);
}

/**
 * Gives the host the room of every free slot: what a process that was killed had written and nothing refers to, and what
 * is kept for the next writes. For a full disk; walks the host's map of the data files.
 */
export async function reclaim(pool: PoolParts): Promise<void> {
  await giveUpWarm(pool, 0);
  for (const { first, slots } of pool.data.files()) {
    for (let slot = first; slot < first + slots;) {
      const held = pool.data.heldFrom(slot, extentsAtOnce);
      for (; slot < held.end; slot += 1) if (held.slots.has(slot)) await giveUp(pool, slot);
      await new Promise<void>((resolve) => pool.host.scheduler.soon(resolve));
    }
  }
}

async function giveUp(pool: PoolParts, slot: number): Promise<void> {
  if (pool.slots.isLive(slot)) return;
  // Nobody may write to it before its room is gone.
  pool.slots.claim(slot);
  try {
    await pool.data.punch(slot, 0, pool.blocksEach);
  } finally {
    pool.slots.release(slot);
  }
}
