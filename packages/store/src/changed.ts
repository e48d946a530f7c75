import type { Change } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { ChunkOverlay } from './chunk-overlay.ts';
import { changedBlocks, entriesEach, hasBit, otherEntries, setBit } from './format/map-leaf.ts';
import { nothing } from './overlay.ts';
import { indexFrom } from './sorted.ts';
import type { PoolParts, Readable } from './state.ts';
import { eachDifference, type LeafPair } from './tree-diff.ts';

/** Two states of one object, and what was written in between and is not home yet. */
export type States = {
  readonly before: Readable;
  readonly after: Readable;
  /** Of a chunk: what each layer in between says of its blocks; none says anything most of the time. */
  readonly journaledIn: (chunk: number) => readonly ChunkOverlay['codes'][];
  /** The chunks that something of was, in order. */
  readonly journaled: () => Float64Array;
};

/** Runs that follow each other, neighbours of one kind as one, up to a number of them. */
class Runs {
  readonly found: { offset: number; length: number; isChanged: boolean }[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False where there are enough already. */
  add(offset: number, end: number, isChanged: boolean): boolean {
    if (offset >= end) return true;
    const last = this.found.at(-1);
    if (last?.isChanged === isChanged) last.length += end - offset;
    else if (this.found.length === this.#limit) return false;
    else this.found.push({ offset, length: end - offset, isChanged });
    return true;
  }

  /** Where the last one ends. */
  end(start: number): number {
    const last = this.found.at(-1);
    return last === undefined ? start : last.offset + last.length;
  }
}

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
  const runs = new Runs(limit);
  const end = offset + length;
  while (runs.end(offset) < end) {
    const at = runs.end(offset);
    if (!(await compare(pool, states, at, end, runs))) break;
  }
  return runs.found;
}

/** Goes on until the end, or a checkpoint commits: what was journaled is in a map then. False where there are enough runs. */
async function compare(pool: PoolParts, states: States, from: number, end: number, runs: Runs): Promise<boolean> {
  const [before, after] = [states.before.tree.root, states.after.tree.root];
  const isStill = (): boolean => before === states.before.tree.root && after === states.after.tree.root;
  const compared = { pages: pool.pages, before, after, isStill };
  const leafBytes = pool.chunkSizeBytes * entriesEach;
  const journaled = states.journaled();
  let at = from;
  let hasRoom = true;
  const visit = (pair: LeafPair): boolean => {
    for (const index of otherEntries(pair.before?.view, pair.after?.view)) {
      const chunk = pair.index * entriesEach + index;
      const start = Math.max(from, chunk * pool.chunkSizeBytes);
      const stop = Math.min(end, (chunk + 1) * pool.chunkSizeBytes);
      if (start >= stop) continue;
      hasRoom =
        addQuiet(pool, states, journaled, at, start, runs) && addChunk(pool, states, pair, chunk, start, stop, runs);
      if (!hasRoom) return false;
      at = stop;
    }
    return true;
  };
  await eachDifference(compared, Math.floor(from / leafBytes), Math.ceil(end / leafBytes), visit);
  if (!hasRoom || !isStill()) return hasRoom;
  return addQuiet(pool, states, journaled, at, end, runs);
}

/** A range in which both maps are the same: only what is journaled has changed. */
function addQuiet(
  pool: PoolParts,
  states: States,
  journaled: Float64Array,
  from: number,
  end: number,
  runs: Runs,
): boolean {
  let at = from;
  for (let index = indexFrom(journaled, Math.floor(from / pool.chunkSizeBytes)); at < end; index += 1) {
    const chunk = journaled[index];
    const start = chunk === undefined ? end : Math.min(end, Math.max(at, chunk * pool.chunkSizeBytes));
    if (!runs.add(at, start, false)) return false;
    if (chunk === undefined || start >= end) return true;
    at = Math.min(end, (chunk + 1) * pool.chunkSizeBytes);
    if (!addChunk(pool, states, undefined, chunk, start, at, runs)) return false;
  }
  return true;
}

function addChunk(
  pool: PoolParts,
  states: States,
  pair: LeafPair | undefined,
  chunk: number,
  from: number,
  end: number,
  runs: Runs,
): boolean {
  const changed =
    pair === undefined ? { low: 0, high: 0 } : changedBlocks(pair.before?.view, pair.after?.view, chunk % entriesEach);
  const start = chunk * pool.chunkSizeBytes;
  for (const codes of states.journaledIn(chunk)) {
    for (const [block, code] of codes.entries()) if (code !== nothing) setBit(changed, block, true);
  }
  for (let at = from; at < end;) {
    const first = Math.floor((at - start) / blockSize);
    const kind = hasBit(changed, first);
    let next = first + 1;
    while (start + next * blockSize < end && hasBit(changed, next) === kind) next += 1;
    const stop = Math.min(end, start + next * blockSize);
    if (!runs.add(at, stop, kind)) return false;
    at = stop;
  }
  return true;
}
