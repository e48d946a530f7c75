import { isPromise, type Settled, type Space } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, hasRoom } from './format/map-leaf.ts';
import { hole, nothing } from './overlay.ts';
import type { ObjectState, PoolParts, Readable } from './state.ts';

/** Blocks of data and of kept room that an object has, exactly: the committed map's count and what the overlay changes. */
export async function blocksInUse(pool: PoolParts, object: ObjectState): Promise<number> {
  for (;;) {
    const added = addedByOverlay(pool, object, hasRoom);
    if (!isPromise(added)) return object.committedBlocks + added;
    await added;
  }
}

/**
 * How many blocks more have data or kept room than had it before, by what the overlay has; `hadRoom` says of a block of a committed leaf
 * whether it counted. Counts in one turn, so that neither a write nor a checkpoint comes between; or fetches the leaves that it needs.
 */
export function addedByOverlay(
  pool: PoolParts,
  object: Readable,
  hadRoom: (leaf: DataView, entry: number, block: number) => boolean,
): Settled<number> {
  const chunks = new Set<number>();
  for (const layer of object.overlay.layers()) for (const chunk of layer.keys()) chunks.add(chunk);
  const fetching: Promise<unknown>[] = [];
  let blocks = 0;
  for (const chunk of chunks) {
    const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
    if (isPromise(leaf)) {
      fetching.push(leaf);
      continue;
    }
    for (let block = 0; block < pool.blocksEach; block += 1) {
      const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
      if (code === nothing) continue;
      const before = leaf !== undefined && hadRoom(leaf.view, chunk % entriesEach, block);
      blocks += Number(code !== hole) - Number(before);
    }
  }
  return fetching.length === 0 ? blocks : Promise.all(fetching).then(() => 0);
}

/** From blocks, and those of them that nobody else has. */
export function spaceFrom(virtualBytes: number, blocks: number, own: number): Space {
  const [allocatedBytes, exclusiveBytes] = [blocks * blockSize, own * blockSize];
  return { virtualBytes, allocatedBytes, exclusiveBytes, sharedBytes: allocatedBytes - exclusiveBytes };
}
