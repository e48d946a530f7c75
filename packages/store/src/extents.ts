import type { Extent, ExtentState } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, isReserved, slotOf } from './format/map-leaf.ts';
import { corrupt, firstArena, nothing, reserved } from './overlay.ts';
import type { Page } from './page-file.ts';
import type { ObjectState, PoolParts } from './state.ts';

/** The states of a range, merged, at most `limit`. Holes of any size cost what their borders cost. */
export async function extentsOf(
  pool: PoolParts,
  object: ObjectState,
  offset: number,
  length: number,
  limit: number,
): Promise<readonly Extent[]> {
  const found: { offset: number; length: number; state: ExtentState }[] = [];
  const end = offset + length;
  for (let at = offset; at < end;) {
    const { root } = object.tree;
    const { leaf, leafEnd } = await leafAt(pool, object, at);
    // What the overlay had is in the map of the checkpoint that committed meanwhile.
    if (root !== object.tree.root) continue;
    for (const stop = Math.min(end, leafEnd); at < stop;) {
      const chunk = Math.floor(at / pool.chunkSizeBytes);
      const bare =
        leaf === undefined && !object.overlay.active.has(chunk) && object.overlay.frozen?.has(chunk) !== true;
      const next = bare
        ? Math.min(stop, nextOverlaid(pool, object, chunk))
        : Math.min(stop, at - (at % blockSize) + blockSize);
      const state = bare ? 'hole' : stateOf(object, chunk, Math.floor((at % pool.chunkSizeBytes) / blockSize), leaf);
      const last = found.at(-1);
      if (last?.state === state) last.length += next - at;
      else if (found.length === limit) return found;
      else found.push({ offset: at, length: next - at, state });
      at = next;
    }
  }
  return found;
}

/** The committed leaf of a place and where what it says ends: at the next leaf that is there, where it is not. */
async function leafAt(
  pool: PoolParts,
  object: ObjectState,
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
function nextOverlaid(pool: PoolParts, object: ObjectState, chunk: number): number {
  let least = Number.MAX_SAFE_INTEGER;
  for (const layer of [object.overlay.active, object.overlay.frozen]) {
    for (const there of layer?.keys() ?? []) if (there > chunk && there < least) least = there;
  }
  return least === Number.MAX_SAFE_INTEGER ? least : least * pool.chunkSizeBytes;
}

function stateOf(object: ObjectState, chunk: number, block: number, leaf: Page | undefined): ExtentState {
  const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
  if (code < 0 || code >= firstArena || code === corrupt) return 'data';
  if (code === reserved) return 'zero';
  if (code !== nothing || leaf === undefined) return 'hole';
  const entry = chunk % entriesEach;
  if (slotOf(leaf.view, entry, block) >= 0) return 'data';
  return isReserved(leaf.view, entry, block) ? 'zero' : 'hole';
}
