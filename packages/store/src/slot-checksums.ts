import { isPromise, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { PoolParts } from './state.ts';

/** Checksums in one leaf of the table. */
export const checksumsEach = blockSize / 4;

/** The leaf with the checksum of a block, by its place (slot × blocks of a slot + block). Those of one slot lie in one. */
export const checksumLeafOf = (place: number): number => Math.floor(place / checksumsEach);

/** The checksums of a slot's blocks, for change. */
export function checksumsFor(pool: Pick<PoolParts, 'blocksEach' | 'checksums'>, slot: number): Settled<SlotChecksums> {
  const first = slot * pool.blocksEach;
  const start = (first % checksumsEach) * 4;
  const leaf = pool.checksums.change(checksumLeafOf(first));
  return isPromise(leaf)
    ? leaf.then(({ view }) => new SlotChecksums(view, start))
    : new SlotChecksums(leaf.view, start);
}

export class SlotChecksums {
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
