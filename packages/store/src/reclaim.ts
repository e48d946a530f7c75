import { giveBackSlots } from './host-room.ts';
import type { PoolParts } from './state.ts';

/** Extents looked at between two turns of the thread. */
const extentsAtOnce = 1024;

/** Gives the host the room of free slots that it keeps for the next writes, above `keep`. */
export async function giveUpWarm(pool: PoolParts, keep: number): Promise<void> {
  await giveUp(pool, pool.slots.takeWarm(keep));
}

/**
 * Gives the host the room of every free slot: what a process that was killed had written and nothing refers to, and what
 * is kept for the next writes. For a full disk; walks the host's map of the data files.
 */
export async function reclaim(pool: PoolParts): Promise<void> {
  await giveUpWarm(pool, 0);
  for (const slots of pool.places.held(extentsAtOnce)) {
    await giveUp(pool, slots);
    await new Promise<void>((resolve) => pool.host.scheduler.soon(resolve));
  }
}

async function giveUp(pool: PoolParts, slots: Iterable<number>): Promise<void> {
  const free = [...slots].filter((slot) => !pool.slots.isLive(slot));
  if (free.length === 0) return;
  // Nobody may write to one before its room is gone.
  for (const slot of free) pool.slots.claim(slot);
  await pool.room.withhold(
    () => giveBackSlots(pool, free),
    () => pool.data.sync(),
  );
}
