import { AshlarError, formatSize } from '@ashlar/core';
import { withRoom } from './background.ts';
import type { PoolParts, StoreState } from './state.ts';

/**
 * Keeps room for a store; 0: none any more. Throws `no-space` where it does not fit, but for one that stood before (`mustFit` false). What
 * the store has of its own is counted first, where snapshots went since it was known.
 */
export async function reserveRoomFor(
  pool: PoolParts,
  store: StoreState,
  bytes: number,
  mustFit: boolean,
): Promise<void> {
  const { room } = pool;
  const { reservation } = store;
  store.isCounted = true;
  try {
    await withRoom(pool, () => {
      const more =
        reservation.keptOf(bytes) + reservation.hostBytesOf(bytes) - reservation.keptBytes - reservation.hostBytes;
      if (mustFit && more > Math.max(0, room.availableBytes)) {
        throw new AshlarError('no-space', doesNotFit(pool, bytes, more));
      }
      room.reserve(reservation, bytes);
    });
  } finally {
    store.isCounted = reservation.bytes > 0;
  }
}

function doesNotFit({ room: { freeBytes, keptBytes } }: PoolParts, bytes: number, more: number): string {
  const kept = keptBytes === 0 ? '' : `, of which ${formatSize(keptBytes)} are reserved`;
  const room = `it needs ${formatSize(more)}, and the pool has ${formatSize(freeBytes)} free${kept}`;
  return `a reservation of ${formatSize(bytes)} does not fit: ${room}`;
}
