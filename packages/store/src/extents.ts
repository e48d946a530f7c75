import type { Depth, Extent, ExtentState } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, hasBit, isReserved, readEntry, slotOf } from './format/map-leaf.ts';
import { corrupt, firstArena, nothing, reserved } from './overlay.ts';
import type { Page } from './page-file.ts';
import type { PoolParts, Readable } from './state.ts';

type Run<T> = { readonly offset: number; readonly length: number; readonly value: T };

/** What is said of a block, by the committed leaf that it is in and by the overlay. */
type ValueOf<T> = (chunk: number, block: number, leaf: Page | undefined) => T;

/** The states of a range, merged, at most `limit`. */
export async function extentsOf(
  pool: PoolParts,
  object: Readable,
  offset: number,
  length: number,
  limit: number,
): Promise<readonly Extent[]> {
  const valueOf: ValueOf<ExtentState> = (chunk, block, leaf) => stateOf(object, chunk, block, leaf);
  const runs = await runsOf(pool, object, { offset, length, limit }, 'hole', valueOf);
  return runs.map((run) => ({ offset: run.offset, length: run.length, state: run.value }));
}

/**
 * Where what a range has comes from, merged, at most `limit`: `floors` are the births up to which what the store has is of what it was
 * cloned from, of what that was cloned from, and so on.
 */
export async function depthsOf(
  pool: PoolParts,
  object: Readable,
  floors: readonly number[],
  offset: number,
  length: number,
  limit: number,
): Promise<readonly Depth[]> {
  const valueOf: ValueOf<number> = (chunk, block, leaf) => {
    if (stateOf(object, chunk, block, leaf) === 'hole') return 0;
    if (object.overlay.layerOf(chunk, block) !== undefined || leaf === undefined) return 1;
    const { pieces } = readEntry(leaf.view, chunk % entriesEach);
    const birth = pieces.find((piece) => hasBit(piece, block))?.birth ?? Infinity;
    return 1 + floors.filter((floor) => birth <= floor).length;
  };
  const runs = await runsOf(pool, object, { offset, length, limit }, 0, valueOf);
  return runs.map((run) => ({ offset: run.offset, length: run.length, depth: run.value }));
}

/** Runs of blocks of which the same is said, from the start of a range on. Holes of any size cost what their borders cost. */
async function runsOf<T>(
  pool: PoolParts,
  object: Readable,
  { offset, length, limit }: { readonly offset: number; readonly length: number; readonly limit: number },
  hole: T,
  valueOf: ValueOf<T>,
): Promise<readonly Run<T>[]> {
  const found: { offset: number; length: number; value: T }[] = [];
  const end = offset + length;
  for (let at = offset; at < end;) {
    const { root } = object.tree;
    const { leaf, leafEnd } = await leafAt(pool, object, at);
    // What the overlay had is in the map of the checkpoint that committed meanwhile.
    if (root !== object.tree.root) continue;
    for (const stop = Math.min(end, leafEnd); at < stop;) {
      const chunk = Math.floor(at / pool.chunkSizeBytes);
      const bare = leaf === undefined && !object.overlay.has(chunk);
      const next = bare
        ? Math.min(stop, nextOverlaid(pool, object, chunk))
        : Math.min(stop, at - (at % blockSize) + blockSize);
      const value = bare ? hole : valueOf(chunk, Math.floor((at % pool.chunkSizeBytes) / blockSize), leaf);
      const last = found.at(-1);
      if (last?.value === value) last.length += next - at;
      else if (found.length === limit) return found;
      else found.push({ offset: at, length: next - at, value });
      at = next;
    }
  }
  return found;
}

/** The committed leaf of a place and where what it says ends: at the next leaf that is there, where it is not. */
async function leafAt(
  pool: PoolParts,
  object: Readable,
  at: number,
): Promise<{ readonly leaf: Page | undefined; readonly leafEnd: number }> {
  const leafBytes = pool.chunkSizeBytes * entriesEach;
  const index = Math.floor(at / leafBytes);
  const leaf = await object.tree.leaf(index);
  if (leaf !== undefined) return { leaf, leafEnd: (index + 1) * leafBytes };
  const next = await object.tree.nextLeaf(index);
  return { leaf, leafEnd: next < 0 ? Number.MAX_SAFE_INTEGER : Math.max(next, index + 1) * leafBytes };
}

/** Where the next chunk behind `chunk` begins that the overlay knows. */
function nextOverlaid(pool: PoolParts, object: Readable, chunk: number): number {
  let least = Number.MAX_SAFE_INTEGER;
  for (const layer of object.overlay.layers()) {
    for (const there of layer.keys()) if (there > chunk && there < least) least = there;
  }
  return least === Number.MAX_SAFE_INTEGER ? least : least * pool.chunkSizeBytes;
}

function stateOf(object: Readable, chunk: number, block: number, leaf: Page | undefined): ExtentState {
  const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
  if (code < 0 || code >= firstArena || code === corrupt) return 'data';
  if (code === reserved) return 'zero';
  if (code !== nothing || leaf === undefined) return 'hole';
  const entry = chunk % entriesEach;
  if (slotOf(leaf.view, entry, block) >= 0) return 'data';
  return isReserved(leaf.view, entry, block) ? 'zero' : 'hole';
}
