import { andThen, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { PoolParts } from './state.ts';

/** Checksums in one leaf of the table. */
export const checksumsEach = blockSize / 4;

/** The leaf with the checksums of a slot: they all lie in one. */
export const checksumLeafOf = (slot: number, blocksEach: number): number =>
  Math.floor((slot * blocksEach) / checksumsEach);

/** The checksums of a slot's blocks, for change. */
export function checksumsFor(pool: Pick<PoolParts, 'blocksEach' | 'checksums'>, slot: number): Settled<SlotChecksums> {
  const first = slot * pool.blocksEach;
  return andThen(
    pool.checksums.change(checksumLeafOf(slot, pool.blocksEach)),
    ({ view }) => new SlotChecksums(view, (first % checksumsEach) * 4),
  );
}

class SlotChecksums {
  readonly #leaf: DataView;
  readonly #start: number;

  constructor(leaf: DataView, start: number) {
    this.#leaf = leaf;
    this.#start = start;
  }

  get(block: number): number {
    return this.#leaf.getUint32(this.#start + block * 4, true);
  }

  set(block: number, checksum: number): void {
    this.#leaf.setUint32(this.#start + block * 4, checksum, true);
  }
}
