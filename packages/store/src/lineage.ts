import { AshlarError, type RecordChange, type SnapshotId, type StoreId } from '@ashlar/core';
import type { Checkpointer } from './checkpointer.ts';
import { bury, commitDying, hasDeadSnapshots, nothingDying } from './dead-trees.ts';
import { firstKept, recordOf, rootOf } from './kept.ts';
import { newObject } from './object-store.ts';
import { keptKey, objectKey, packedChange, storeKey, type ObjectRecord, type StoreRecord } from './records/keys.ts';
import { RecordOverlay } from './records/record-overlay.ts';
import { newStore } from './recovery.ts';
import { snapshotOf } from './snapshots.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';

/** An object's record as a snapshot, whose generation is home, has it; nothing where the object is newer. */
function recordAt(
  pool: PoolParts,
  store: StoreState,
  object: ObjectState,
  snapshot: SnapshotId,
): ObjectRecord | undefined {
  const kept = firstKept(pool, store.id, object.id, snapshot);
  const { committedSize: sizeBytes, committedBlocks: blocks, committedSaved: saved, generation } = object;
  const record = kept?.record ?? recordOf(object, object.tree.root, { sizeBytes, blocks, saved, generation });
  return record.created <= snapshot ? record : undefined;
}

/**
 * Makes a store that has what the snapshot has, under the same numbers of objects, and shares all of it until it is written over. Costs the same
 * whatever there is; where the snapshot's generation is not home yet, a checkpoint comes first. `poolChange`: the pool's own record behind it.
 */
export async function cloneStore(
  pool: PoolParts,
  checkpointer: Checkpointer,
  origin: StoreState,
  snapshot: SnapshotId,
  poolChange: () => RecordChange,
): Promise<StoreId> {
  const found = snapshotOf(origin, snapshot);
  if (found.birth === undefined) await checkpointer.run(false);
  return await checkpointer.alone(async () => {
    const { birth } = snapshotOf(origin, snapshot);
    if (birth === undefined) throw new AshlarError('busy', `the snapshot ${snapshot} is not home yet: try again`);
    const id = pool.nextStore;
    pool.nextStore += 1;
    const record: StoreRecord = {
      sequence: 0,
      generation: 1,
      origin: { store: origin.id, snapshot },
      floor: birth,
      ...(origin.compression === 'off' ? {} : { compression: origin.compression }),
    };
    const clone = newStore(pool, id, record, new RecordOverlay());
    const changes: RecordChange[] = [packedChange(storeKey(id), record), poolChange()];
    for (const object of origin.objects.values()) {
      const was = recordAt(pool, origin, object, snapshot);
      if (was === undefined) continue;
      const own = { ...was, generation: 1, created: 1 };
      changes.push(packedChange(objectKey(id, object.id), own));
      clone.objects.set(object.id, newObject(pool, clone, object.id, own, rootOf(own), true));
    }
    await pool.records.commit(changes, () => pool.stores.set(id, clone));
    return id;
  });
}

/**
 * Makes a store that is not open what its newest snapshot has. What came since is gone; its room comes back in the background.
 * Fails with `busy` where there are newer snapshots. `poolChange`: the pool's own record behind it.
 */
export async function rollBack(
  pool: PoolParts,
  checkpointer: Checkpointer,
  store: StoreState,
  snapshot: SnapshotId,
  poolChange: () => RecordChange,
): Promise<void> {
  if (store.open) throw new AshlarError('busy', `store ${store.id} is open: close it first`);
  snapshotOf(store, snapshot);
  if (store.snapshots.some(({ id, isDropped }) => id > snapshot && !isDropped)) {
    throw new AshlarError('busy', `there are snapshots behind ${snapshot}: delete them first`);
  }
  // Those that are deleted look at the state behind them until they are done.
  await checkpointer.run(false);
  while (store.snapshots.some(({ isDropped }) => isDropped) || hasDeadSnapshots(pool, store.id)) {
    await checkpointer.run(false);
  }
  await checkpointer.alone(async () => {
    const { birth } = snapshotOf(store, snapshot);
    if (birth === undefined) throw new AshlarError('busy', `the snapshot ${snapshot} is not home yet: try again`);
    const dying = nothingDying();
    const changes: RecordChange[] = [];
    const after = new Map<ObjectState, ObjectRecord | undefined>();
    for (const object of store.objects.values()) {
      const kept = firstKept(pool, store.id, object.id, snapshot);
      const isNew = object.created > snapshot;
      if (kept === undefined && !isNew) continue;
      const place = { store: store.id, object: object.id, root: object.tree.root };
      bury(pool, { ...place, floor: isNew ? store.floor : birth, snapshot: -1, birth: -1 }, dying);
      after.set(object, kept?.record);
      const key = objectKey(store.id, object.id);
      changes.push(kept === undefined ? { key, value: null } : packedChange(key, kept.record));
      if (kept !== undefined) changes.push({ key: keptKey(store.id, object.id, kept.snapshot), value: null });
    }
    await commitDying(pool, [...changes, poolChange()], dying, () => {
      store.flattening = undefined;
      for (const [{ id }, record] of after) {
        store.objects.delete(id);
        if (record !== undefined) store.objects.set(id, newObject(pool, store, id, record, rootOf(record), false));
      }
    });
  });
  pool.room.recount();
  checkpointer.begin();
}
