import type { Change } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, isReserved, slotOf } from './format/map-leaf.ts';
import type { Page } from './page-file.ts';
import type { PoolParts, Readable } from './state.ts';
import { differences, type LeafPair } from './tree-diff.ts';

/** Two states of one object, and whether a block was written in between and is not home yet. */
export type States = {
  readonly before: Readable;
  readonly after: Readable;
  readonly isJournaled: (chunk: number, block: number) => boolean;
  /** The first chunk at or behind one of which something was, or infinity. */
  readonly nextJournaled: (chunk: number) => number;
};

/**
 * What of [offset, offset + length) is other than it was, merged, at most `limit` runs. No data is read: what was written over with the
 * same bytes has changed. Costs what changed, and not what there is.
 */
export async function changesOf(
  pool: PoolParts,
  states: States,
  offset: number,
  length: number,
  limit: number,
): Promise<readonly Change[]> {
  const found: { offset: number; length: number; isChanged: boolean }[] = [];
  const end = offset + length;
  for (let at = offset; at < end;) {
    const roots = [states.before.tree.root, states.after.tree.root];
    const { pair, next } = await nextDifference(pool, states, at, end);
    // A checkpoint committed meanwhile: what was journaled is in a map now.
    if (roots[0] !== states.before.tree.root || roots[1] !== states.after.tree.root) continue;
    for (const stop = Math.min(end, next); at < stop;) {
      const chunk = Math.floor(at / pool.chunkSizeBytes);
      const quiet = pair === undefined ? Math.min(stop, states.nextJournaled(chunk) * pool.chunkSizeBytes) : 0;
      const to = quiet > at ? quiet : Math.min(stop, at - (at % blockSize) + blockSize);
      const block = Math.floor((at % pool.chunkSizeBytes) / blockSize);
      const isChanged = quiet <= at && (states.isJournaled(chunk, block) || differs(pair, chunk, block));
      const last = found.at(-1);
      if (last?.isChanged === isChanged) last.length += to - at;
      else if (found.length === limit) return found;
      else found.push({ offset: at, length: to - at, isChanged });
      at = to;
    }
  }
  return found;
}

/** The leaves of both maps at a place, if they differ, and where what is said of it ends. */
async function nextDifference(
  pool: PoolParts,
  { before, after }: States,
  at: number,
  end: number,
): Promise<{ readonly pair: LeafPair | undefined; readonly next: number }> {
  const leafBytes = pool.chunkSizeBytes * entriesEach;
  const first = Math.floor(at / leafBytes);
  const compared = { read: pool.pages.read.bind(pool.pages), before: before.tree.root, after: after.tree.root };
  for await (const pair of differences(compared, first, Math.ceil(end / leafBytes))) {
    if (pair.index === first) return { pair, next: (first + 1) * leafBytes };
    return { pair: undefined, next: pair.index * leafBytes };
  }
  return { pair: undefined, next: Infinity };
}

function differs(pair: LeafPair | undefined, chunk: number, block: number): boolean {
  return pair !== undefined && placeIn(pair.before, chunk, block) !== placeIn(pair.after, chunk, block);
}

/** Where a block lies: nobody writes over the place of a block that a snapshot has. */
function placeIn(leaf: Page | undefined, chunk: number, block: number): number {
  if (leaf === undefined) return -1;
  const slot = slotOf(leaf.view, chunk % entriesEach, block);
  return slot < 0 && isReserved(leaf.view, chunk % entriesEach, block) ? -2 : slot;
}
