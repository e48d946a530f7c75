import { andThen, type Settled } from '@ashlar/core';
import { blockSize, checksumOf } from './checksum.ts';
import { PackedPiece } from './format/packed-piece.ts';
import { checksumsFor } from './slot-checksums.ts';
import type { PoolParts } from './state.ts';

/** What the checksum of a block of a slot is to be. Asked in the turn in which it is given. */
type ChecksumAt = (block: number) => number;

/**
 * Reads all of a compressed piece, which lies in the first `stored` blocks of a slot. Gives what `use` makes of it, nothing where it is
 * damaged: its memory is lent until that has settled.
 */
export function readPacked<T>(
  { scratch, data, blocksEach }: Pick<PoolParts, 'scratch' | 'data' | 'blocksEach'>,
  slot: number,
  stored: number,
  checksums: () => Settled<ChecksumAt>,
  use: (piece: PackedPiece | undefined) => Settled<T>,
): Settled<T> {
  const length = stored * blockSize;
  return scratch.use(length + blocksEach * blockSize, (memory) => {
    const bytes = memory.subarray(0, length);
    return andThen(data.read(slot, 0, bytes), (count) => {
      bytes.fill(0, count);
      return andThen(checksums(), (checksumAt) => {
        for (let block = 0; block < stored; block += 1) {
          const found = checksumOf(bytes.subarray(block * blockSize, (block + 1) * blockSize));
          if (found !== checksumAt(block)) return use(undefined);
        }
        return use(PackedPiece.of(bytes, memory.subarray(length)));
      });
    });
  });
}

/** The same, as the running checkpoint has it. */
export function readPackedNow<T>(
  pool: PoolParts,
  slot: number,
  stored: number,
  use: (piece: PackedPiece | undefined) => Settled<T>,
): Settled<T> {
  const checksums = (): Settled<ChecksumAt> =>
    andThen(checksumsFor(pool, slot), (there) => (block: number) => there.get(block));
  return readPacked(pool, slot, stored, checksums, use);
}
