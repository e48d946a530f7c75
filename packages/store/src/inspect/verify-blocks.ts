import { AshlarError } from '@ashlar/core';
import { blockSize, checksumOf } from '../checksum.ts';
import type { BlockRun, Piece } from '../format/map-leaf.ts';
import { PackedPiece } from '../format/packed-piece.ts';
import { checksumLeafOf, checksumsEach } from '../slot-checksums.ts';
import { checksumRootOf, type PoolFiles } from './pool-files.ts';

/** Reads blocks of a slot and gives the ones that are not what was written there: those that the disk refuses as well. */
export async function damagedBlocks(pool: PoolFiles, run: BlockRun, memory: Uint8Array): Promise<number[]> {
  const { slot, block, blocks } = run;
  const bytes = memory.subarray(0, blocks * blockSize);
  const isRead = await reads(pool, slot, block, bytes);
  if (!isRead && blocks > 1) {
    const damaged: number[] = [];
    for (let at = block; at < block + blocks; at += 1) {
      damaged.push(...(await damagedBlocks(pool, { slot, block: at, blocks: 1 }, memory)));
    }
    return damaged;
  }
  const first = slot * pool.blocksEach + block;
  const leaf = await pool.pages.leaf(checksumRootOf(pool), checksumLeafOf(first));
  const damaged: number[] = [];
  for (let at = 0; at < blocks; at += 1) {
    const found = checksumOf(bytes.subarray(at * blockSize, (at + 1) * blockSize));
    const onRecord = leaf === 'damaged' ? undefined : leaf?.view.getUint32(((first % checksumsEach) + at) * 4, true);
    if (!isRead || found !== onRecord) damaged.push(block + at);
  }
  return damaged;
}

/** Reads a compressed piece, if it is what was written there and has the blocks that the map says. `memory`: for a chunk. */
export async function wholePacked(
  pool: PoolFiles,
  { slot, packed, low, high }: Piece,
  memory: Uint8Array,
): Promise<PackedPiece | undefined> {
  const damaged = await damagedBlocks(pool, { slot, block: 0, blocks: packed }, memory);
  if (damaged.length > 0) return undefined;
  const piece = PackedPiece.of(memory.subarray(0, packed * blockSize), new Uint8Array(memory.length));
  const isWhole = piece?.isWhole === true && ((low & ~piece.bits.low) | (high & ~piece.bits.high)) === 0;
  return isWhole ? piece : undefined;
}

async function reads({ data }: PoolFiles, slot: number, block: number, into: Uint8Array): Promise<boolean> {
  try {
    await data.read(slot, block, into);
    return true;
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'io') return false;
    throw error;
  }
}
