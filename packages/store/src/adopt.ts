import type { Births } from './births.ts';
import type { Dying } from './dead-trees.ts';
import { flattened } from './flatten-copy.ts';
import type { Layer } from './layer.ts';
import type { PageTree, TreeRoot } from './page-tree.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import { allObjects, objectsOf, type Taken } from './taken.ts';

/** A tree, and the root that the checkpoint gives it. */
export type TreeChange = { readonly tree: PageTree; readonly root: TreeRoot };
/** A layer whose blocks can be read from the map now. */
export type HomeLayer = { readonly overlay: ObjectState['overlay']; readonly layer: Layer };

/** What is in memory follows the commit of a checkpoint, in one turn. Gives the layers that are home. */
export function adopt(
  pool: PoolParts,
  taken: Taken,
  births: ReadonlyMap<StoreState, Births>,
  dying: Dying,
  trees: readonly TreeChange[],
): readonly HomeLayer[] {
  for (const { tree, root } of trees) tree.adopt(root);
  pool.slots.committed();
  for (const each of births.values()) for (const { snapshot, birth } of each.pending()) snapshot.birth = birth;
  for (const { object, sizeBytes } of taken.objects) {
    object.committedBlocks = object.mappedBlocks;
    object.committedSaved = object.mappedSaved;
    object.committedSize = sizeBytes;
    object.generation = object.work.generation;
  }
  for (const { store, flattens } of taken.stores) if (flattens) flattened(store);
  for (const object of allObjects(pool)) object.own.commit();
  const home = objectsOf(taken).flatMap(({ overlay }) => overlay.thaw().map((layer) => ({ overlay, layer })));
  for (const { store } of taken.stores) store.records.thaw();
  pool.pages.releaseFreed();
  for (const id of dying.done) pool.dead.delete(id);
  for (const tree of pool.dead.values()) tree.committedCursor = tree.cursor;
  if (dying.gone.size > 0) {
    for (const { store } of taken.stores) store.snapshots = store.snapshots.filter((each) => !dying.gone.has(each));
  }
  pool.counters.checkpoints += 1;
  return home;
}
