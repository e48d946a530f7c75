import { errorKindOf, MiB } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { PoolParts } from './state.ts';

/** Bytes given back or reserved in one call: it holds the file's lock in the host, and a data file is a multiple of it. */
const mostBytes = 64 * MiB;

/** Blocks of one slot. */
export type BlockRun = { readonly slot: number; readonly block: number; readonly blocks: number };

type Parts = {
  readonly data: Pick<PoolParts['data'], 'giveBack' | 'punch' | 'allocate'>;
  readonly slots: Pick<PoolParts['slots'], 'release' | 'isDurable' | 'isLive'>;
  readonly blocksEach: number;
  readonly chunkSizeBytes: number;
};

/**
 * Gives the host the room of slots that nothing refers to any more, and then makes them free. Neighbours go together: a large
 * trim frees tens of thousands.
 */
export async function giveBackSlots(pool: Parts, freed: readonly number[]): Promise<void> {
  const slotsAtOnce = mostBytes / pool.chunkSizeBytes;
  const slots = freed.toSorted((a, b) => a - b);
  for (let start = 0, end = 0; start < slots.length; start = end) {
    const first = slots[start]!;
    const wall = (Math.floor(first / slotsAtOnce) + 1) * slotsAtOnce;
    for (end = start + 1; slots[end] === first + end - start && slots[end]! < wall;) end += 1;
    await pool.data.giveBack(first, (end - start) * pool.blocksEach);
    for (const slot of slots.slice(start, end)) pool.slots.release(slot);
  }
}

/** Gives the host the room of trimmed blocks of slots that stay in use. Neighbours follow each other in `freed`. */
export async function giveBackBlocks(
  pool: Parts,
  freed: Iterable<{ readonly slot: number; readonly block: number }>,
): Promise<void> {
  let run: BlockRun | undefined;
  const punch = async ({ slot, block, blocks }: BlockRun): Promise<void> => {
    if (pool.slots.isDurable(slot) && pool.slots.isLive(slot)) await pool.data.punch(slot, block, blocks);
  };
  for (const { slot, block } of freed) {
    const follows = run !== undefined && run.slot === slot && run.block + run.blocks === block;
    if (run !== undefined && !follows) await punch(run);
    run = follows && run !== undefined ? { ...run, blocks: run.blocks + 1 } : { slot, block, blocks: 1 };
  }
  if (run !== undefined) await punch(run);
}

/**
 * Reserves the host's room for blocks that read as zeros but must not meet a full disk later; neighbours together, as a large
 * zero needs tens of thousands of slots.
 */
export async function reserveRoom(pool: Parts, runs: readonly BlockRun[]): Promise<void> {
  const windowBlocks = mostBytes / blockSize;
  const place = ({ slot, block }: BlockRun): number => slot * pool.blocksEach + block;
  const sorted = runs.toSorted((a, b) => place(a) - place(b));
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    const first = sorted[start]!;
    const from = place(first);
    const wall = (Math.floor(from / windowBlocks) + 1) * windowBlocks;
    let to = from + first.blocks;
    for (end = start + 1; end < sorted.length && place(sorted[end]!) === to && to < wall; end += 1) {
      to += sorted[end]!.blocks;
    }
    try {
      await pool.data.allocate(first.slot, first.block, to - from);
    } catch (error) {
      // A file system that cannot reserve keeps no promise but the count.
      if (errorKindOf(error) !== 'unsupported') throw error;
    }
  }
}
