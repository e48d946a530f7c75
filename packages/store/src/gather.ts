import { blockSize, checksumBlocks, firstDamaged } from './checksum.ts';
import { runsOf, setBit, type ChunkEntry, type Piece } from './format/map-leaf.ts';
import { takeSlot } from './fresh-slot.ts';
import type { Freed } from './freed.ts';
import { checksumsFor } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/** The write that would need a fifth piece copies the chunk together. */
export async function gather(pool: PoolParts, entry: ChunkEntry, freed: Freed, birth: number): Promise<void> {
  const into: Piece = { slot: takeSlot(pool), birth, low: 0, high: 0 };
  freed.taken.push(into.slot);
  pool.slots.setDurable(into.slot, true);
  for (const piece of entry.pieces) await moveBlocks(pool, piece, into);
  entry.pieces.push(into);
}

/** Copies all blocks of a piece to the same places of another, which has them from then on. Gives how many are damaged: they stay so. */
export async function moveBlocks(pool: PoolParts, piece: Piece, into: Piece): Promise<number> {
  const from = await checksumsFor(pool, piece.slot);
  const to = await checksumsFor(pool, into.slot);
  let damaged = 0;
  for (const { block: first, blocks } of runsOf(piece, pool.blocksEach)) {
    const checksums = new Uint32Array(blocks);
    for (let at = 0; at < blocks; at += 1) {
      const block = first + at;
      // The checksum moves with the block: damage stays visible.
      checksums[at] = from.get(block);
      to.set(block, from.get(block));
      setBit(into, block, true);
      setBit(piece, block, false);
      pool.cache.drop(into.slot * pool.blocksEach + block);
    }
    damaged += await copyRun(pool, piece.slot, into.slot, first, checksums);
  }
  return damaged;
}

/** Copies as many blocks of a slot as there are checksums, from `first` on, to the same place of another. */
async function copyRun(
  pool: PoolParts,
  from: number,
  to: number,
  first: number,
  checksums: Uint32Array,
): Promise<number> {
  const length = checksums.length * blockSize;
  return await pool.scratch.use(length, async (memory) => {
    const bytes = memory.subarray(0, length);
    const count = await pool.data.read(from, first, bytes);
    bytes.fill(0, count);
    const damaged = countDamaged(bytes, checksums);
    pool.counters.corruptBlocks += damaged;
    await pool.data.write(to, first, bytes);
    return damaged;
  });
}

function countDamaged(bytes: Uint8Array, checksums: Uint32Array): number {
  if (firstDamaged(bytes, checksums, 0) < 0) return 0;
  const found = new Uint32Array(checksums.length);
  checksumBlocks(bytes, found, 0);
  return found.filter((checksum, at) => checksum !== checksums[at]).length;
}
