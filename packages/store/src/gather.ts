import { blockSize, checksumBlocks, checksumOf, firstDamaged } from './checksum.ts';
import { countBits, runsOf, setBit, type BlockRun, type ChunkEntry, type Piece } from './format/map-leaf.ts';
import { takeSlot } from './fresh-slot.ts';
import type { Freed } from './freed.ts';
import { readPackedNow } from './packed-read.ts';
import { checksumsFor } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/** The write that would need a fifth piece copies the chunk together. */
export async function gather(pool: PoolParts, entry: ChunkEntry, freed: Freed, birth: number): Promise<void> {
  const into: Piece = { slot: takeSlot(pool), birth, low: 0, high: 0, packed: 0 };
  freed.taken.push(into.slot);
  pool.slots.setDurable(into.slot, true);
  for (const piece of entry.pieces) {
    const runs = [...runsOf(piece, pool.blocksEach)];
    await moveBlocks(pool, piece, into);
    moveCached(pool, piece.slot, into.slot, runs);
  }
  entry.pieces.push(into);
}

/** Who reads these blocks finds them at their new place: in the old one they are a snapshot's, if anybody's. */
function moveCached({ cache, blocksEach }: PoolParts, from: number, to: number, runs: readonly BlockRun[]): void {
  for (const { block: first, blocks } of runs) {
    for (let block = first; block < first + blocks; block += 1) {
      cache.move(from * blocksEach + block, to * blocksEach + block);
    }
  }
}

/**
 * Copies all blocks of a piece to the same places of another that is not compressed, which has them from then on. Gives how many are damaged:
 * they stay so.
 */
export async function moveBlocks(pool: PoolParts, piece: Piece, into: Piece): Promise<number> {
  const damaged = await (piece.packed > 0 ? copyUnpacked : copyPlain)(pool, piece, into.slot);
  for (const { block: first, blocks } of runsOf(piece, pool.blocksEach)) {
    for (let block = first; block < first + blocks; block += 1) {
      setBit(into, block, true);
      setBit(piece, block, false);
      pool.cache.drop(into.slot * pool.blocksEach + block);
    }
  }
  return damaged;
}

/** Copies a compressed piece as it is to another slot. Gives how many of its blocks are damaged: they stay so. */
export async function copyPacked(pool: PoolParts, piece: Piece, slot: number): Promise<number> {
  const damaged = await copyRun(pool, piece.slot, slot, 0, piece.packed);
  for (let block = 0; block < pool.blocksEach; block += 1) pool.cache.drop(slot * pool.blocksEach + block);
  return damaged > 0 ? countBits(piece) : 0;
}

async function copyPlain(pool: PoolParts, piece: Piece, slot: number): Promise<number> {
  let damaged = 0;
  for (const { block, blocks } of runsOf(piece, pool.blocksEach)) {
    damaged += await copyRun(pool, piece.slot, slot, block, blocks);
  }
  return damaged;
}

/** Copies blocks of a slot, from `first` on, to the same place of another. */
async function copyRun(pool: PoolParts, from: number, to: number, first: number, blocks: number): Promise<number> {
  const [known, moved] = [await checksumsFor(pool, from), await checksumsFor(pool, to)];
  // The checksum moves with the block: damage stays visible.
  const checksums = Uint32Array.from({ length: blocks }, (_, at) => known.get(first + at));
  for (const [at, checksum] of checksums.entries()) moved.set(first + at, checksum);
  const length = blocks * blockSize;
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

/** Copies what is left of a compressed piece, each block to its own place. */
async function copyUnpacked(pool: PoolParts, piece: Piece, slot: number): Promise<number> {
  const moved = await checksumsFor(pool, slot);
  let damaged = 0;
  await readPackedNow(pool, piece.slot, piece.packed, async (packed) => {
    for (const { block: first, blocks } of runsOf(piece, pool.blocksEach)) {
      await pool.scratch.use(blocks * blockSize, async (memory) => {
        for (let block = first; block < first + blocks; block += 1) {
          const bytes = packed?.blockAt(block);
          memory.set(bytes ?? pool.zeros, (block - first) * blockSize);
          if (bytes === undefined) damaged += 1;
          // What was lost stays lost: its checksum can never match.
          moved.set(block, bytes === undefined ? ~checksumOf(pool.zeros) >>> 0 : checksumOf(bytes));
        }
        await pool.data.write(slot, first, memory.subarray(0, blocks * blockSize));
      });
    }
  });
  pool.counters.corruptBlocks += damaged;
  return damaged;
}
