import { blockSize } from './checksum.ts';
import { hasBit, setBit, type ChunkEntry, type Piece } from './format/map-leaf.ts';
import { takeSlot } from './fresh-slot.ts';
import type { Freed } from './freed.ts';
import { checksumsFor } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/** The write that would need a fifth piece copies the chunk together. */
export async function gather(pool: PoolParts, entry: ChunkEntry, freed: Freed, birth: number): Promise<void> {
  const into: Piece = { slot: takeSlot(pool), birth, low: 0, high: 0 };
  freed.taken.push(into.slot);
  pool.slots.setDurable(into.slot, true);
  const moved = await checksumsFor(pool, into.slot);
  for (const piece of entry.pieces) {
    const from = await checksumsFor(pool, piece.slot);
    for (let block = 0; block < pool.blocksEach; block += 1) {
      if (!hasBit(piece, block)) continue;
      const first = block;
      while (block < pool.blocksEach && hasBit(piece, block)) {
        // The checksum moves with the block: damage stays visible.
        moved.set(block, from.get(block));
        setBit(into, block, true);
        setBit(piece, block, false);
        block += 1;
      }
      await copyRun(pool, piece.slot, into.slot, first, block);
    }
  }
  entry.pieces.push(into);
}

/** Copies the blocks [first, end) of a slot to the same place of another. */
async function copyRun(pool: PoolParts, from: number, to: number, first: number, end: number): Promise<void> {
  const length = (end - first) * blockSize;
  await pool.scratch.use(length, async (memory) => {
    const bytes = memory.subarray(0, length);
    const count = await pool.data.read(from, first, bytes);
    bytes.fill(0, count);
    await pool.data.write(to, first, bytes);
  });
}
