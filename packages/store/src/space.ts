import { entriesEach, isReserved, slotOf } from './format/map-leaf.ts';
import { hole, nothing } from './overlay.ts';
import type { ObjectState, PoolParts } from './state.ts';

/** Blocks of data and of kept room that an object has, exactly: the committed map's count and what the overlay changes. */
export async function blocksInUse(pool: PoolParts, object: ObjectState): Promise<number> {
  const chunks = new Set([...object.overlay.active.keys(), ...(object.overlay.frozen?.keys() ?? [])]);
  let committed = object.committedBlocks;
  for (const chunk of chunks) {
    const leaf = await object.tree.leaf(Math.floor(chunk / entriesEach));
    const entry = chunk % entriesEach;
    for (let block = 0; block < pool.blocksEach; block += 1) {
      const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
      if (code === nothing) continue;
      const before =
        leaf !== undefined && (slotOf(leaf.view, entry, block) >= 0 || isReserved(leaf.view, entry, block));
      const after = code !== hole;
      committed += Number(after) - Number(before);
    }
  }
  return committed;
}
