import { allDone, assert, errorKindOf, GiB, isPromise, type Compression, type RecordChange } from '@ashlar/core';
import { adopt, type HomeLayer, type TreeChange } from './adopt.ts';
import { Births } from './births.ts';
import { bitmapChange, droppedChanges, poolRecord, storeRecord } from './checkpoint-records.ts';
import { blockSize } from './checksum.ts';
import { bury, buryDropped, freeDead, nothingDying, sharedWithDead, unbury, type Dying } from './dead-trees.ts';
import { abandonFlattening, copySome, isFlat, noOrigin } from './flatten-copy.ts';
import { nothingFreed, type Freed } from './freed.ts';
import { bringHome } from './home.ts';
import type { Homing } from './homing.ts';
import { giveBackBlocks, giveBackSlots, reserveRoom } from './host-room.ts';
import { keptKey, objectKey, packedChange, poolKey, recordKey, sealed, snapshotKey, storeKey } from './records/keys.ts';
import { countSome } from './count-own.ts';
import { recordOf } from './kept.ts';
import { giveUpWarm } from './reclaim.ts';
import type { Layer } from './layer.ts';
import { PageLookahead } from './page-lookahead.ts';
import type { PageTree, TreeRoot } from './page-tree.ts';
import type { Shared } from './shared.ts';
import type { ObjectState, PoolParts, SnapshotState, StoreState } from './state.ts';
import { sorted } from './sorted.ts';
import { allObjects, objectsOf, type Taken } from './taken.ts';
import { Transfers } from './transfers.ts';
import { Turns } from './turns.ts';

/**
 * Free slots that keep their room on the host, for the overwrites to come: as much as those take between two checkpoints, and
 * little of what is free. To give room back and to find some again costs more than the writes themselves.
 */
const mostWarmBytes = 4 * GiB;
const warmShare = 1 / 8;

/** How a checkpoint is run. */
export type CheckpointRun = {
  /** `takeAll`, behind whatever must come before it. */
  readonly take: () => Promise<Taken>;
  /** It is the last one before the pool is closed. */
  readonly clean: boolean;
  /** Makes the journal durable up to what was taken (a). */
  readonly sync: () => Promise<void>;
  /** How long its next slice may hold the thread where so much is done, from 0 to 1; 0 while it can wait. */
  readonly dueMs: (done: number) => number;
};

/** One checkpoint of everything. Rule 6: on a full disk it is done again with the room of the reserve. Gives what was taken. */
export async function checkpointAll(pool: PoolParts, run: CheckpointRun): Promise<Taken> {
  const once = async (): Promise<Taken> => {
    const taken = await run.take();
    await checkpoint(pool, taken, run);
    return taken;
  };
  try {
    return await once();
  } catch (error) {
    if (errorKindOf(error) !== 'no-space' || pool.room.isShrunk) throw error;
    pool.room.shrink();
    // It grew since room was promised, by no more than it is.
    await pool.records.dropLog();
    return await once();
  }
}

/** One checkpoint, in rule 1's order. One that fails before its commit leaves everything as it was; the journal still has it all. */
async function checkpoint(pool: PoolParts, taken: Taken, { clean, sync, dueMs }: CheckpointRun): Promise<void> {
  const freed = nothingFreed();
  const trees: TreeChange[] = [];
  let home: readonly HomeLayer[] = [];
  const turns = new Turns(pool.host, dueMs);
  const transfers = new Transfers(pool.trickleBytes, sync);
  const dying = nothingDying();
  for (const { store, snapshots } of taken.stores) buryDropped(pool, store, snapshots, dying);
  const births = birthsOf(pool, taken, dying);
  pool.data.asksForRoom = isSpread(pool);
  try {
    if (pool.broken !== 'home-before-journal') await sync();
    turns.begin();
    await freeDead(pool, freed, turns, dying);
    await countSome(pool, turns);
    const kept = await bringAllHome({ pool, taken, births, freed, transfers, turns, dying });
    const written = await commitChanges(pool, taken, births, dying, clean, trees, turns);
    const changes = [...dying.changes, ...kept, ...written];
    await transfers.drained();
    // Both at once: a device empties its cache for two together.
    await allDone([pool.data.sync(), pool.pages.sync()]);
    if (pool.broken === 'home-before-journal') await sync();
    if (pool.broken === 'release-before-commit')
      await giveBack(pool, { ...freed, slots: [...freed.slots, ...freed.moved], moved: [] });
    await pool.records.commit(changes, () => {
      home = adopt(pool, taken, births, dying, trees);
    });
  } catch (error) {
    // What is on its way still reads from memory that is about to be given back.
    await transfers.drained().catch(() => undefined);
    rollBack(pool, taken, freed, dying);
    throw error;
  }
  turns.begin();
  for (const { overlay, layer } of home) {
    for (const chunk of layer.values()) {
      overlay.release(chunk);
      if (turns.isOver) await turns.next();
    }
    overlay.end(layer);
  }
  if (pool.broken !== 'release-before-commit') await giveBack(pool, freed);
}

/** Whether slots with little in them reach over so much that the host may soon have no long free piece left. */
function isSpread(pool: PoolParts): boolean {
  if (pool.places.isWhole) return false;
  const mostBytes = pool.host.freeBytes(pool.path) / 2;
  let holesBytes = pool.slots.liveCount * pool.chunkSizeBytes;
  if (holesBytes <= mostBytes) return false;
  for (const { mappedBlocks } of allObjects(pool)) holesBytes -= mappedBlocks * blockSize;
  return holesBytes > mostBytes;
}

/** The births of this checkpoint, by store; the pool's goes on behind the last of them. */
function birthsOf(pool: PoolParts, taken: Taken, { gone }: Dying): ReadonlyMap<StoreState, Births> {
  const first = pool.birth + 1;
  const births = new Map<StoreState, Births>();
  for (const { store, snapshots } of taken.stores) {
    const there = snapshots.filter((snapshot) => !gone.has(snapshot));
    births.set(store, new Births(first, there, store.floor));
  }
  pool.birth = [...births.values()].reduce((most, { last }) => Math.max(most, last), first);
  return births;
}

type Home = {
  readonly pool: PoolParts;
  readonly taken: Taken;
  readonly births: ReadonlyMap<StoreState, Births>;
  readonly freed: Freed;
  readonly transfers: Transfers;
  readonly turns: Turns;
  readonly dying: Dying;
};

/** Gives what must be kept of objects as snapshots have them. */
async function bringAllHome(run: Home): Promise<RecordChange[]> {
  const { pool, taken, freed } = run;
  const kept: RecordChange[] = [];
  const progress = { done: 0, all: 0 };
  for (const { object } of taken.objects) for (const { layer } of object.overlay.frozen()) progress.all += layer.size;
  for (const { object } of taken.objects) await bringObjectHome(run, object, Infinity, kept, progress);
  for (const { deleted } of taken.stores) {
    for (const object of deleted) await buryObject(run, object, kept, progress);
  }
  for (const { store, generation, flattens } of taken.stores) if (flattens) await flatten(run, store, generation);
  await reserveRoom(pool, freed.reserved);
  return kept;
}

/** A preallocated object keeps room for its blocks as they are. */
function compressionOf({ compression }: StoreState, { keepsRoom }: ObjectState): Compression {
  return keepsRoom ? 'off' : compression;
}

/** A change of the generation that was taken, as if all that is copied had been written again. */
async function flatten(run: Home, store: StoreState, generation: number): Promise<void> {
  const objects = run.taken.objects.filter(({ object }) => object.store === store.id);
  const homingOf = (object: ObjectState): Homing => {
    const { sizeBytes } = objects.find((each) => each.object === object)!;
    return homingAt(run, object, { generation, sizeBytes });
  };
  await copySome(
    store,
    objects.map(({ object }) => object),
    homingOf,
    run.turns,
  );
}

/** What the newest snapshot before its end has of a deleted object is kept for that; the rest is dead. */
async function buryObject(run: Home, object: ObjectState, kept: RecordChange[], progress: Progress): Promise<void> {
  const { pool, freed, dying } = run;
  const { own, store } = birthsFor(run, object);
  const { deletedIn = store.generation, generation } = object;
  const last = own.before(deletedIn);
  const layers = object.overlay.frozen();
  if (last !== undefined && last.id >= object.created && last.id >= generation) {
    await bringObjectHome(run, object, last.id, kept, progress);
    await keepFor(run, object, last, kept);
  } else {
    const floor = last === undefined ? store.floor : (last.birth ?? own.of(last.id));
    bury(pool, { store: store.id, object: object.id, root: object.tree.root, floor, snapshot: -1, birth: -1 }, dying);
  }
  for (const { generation: since, layer } of layers) {
    if (last !== undefined && since <= last.id) continue;
    for (const { slots } of layer.values()) freed.slots.push(...slots.map(({ slot }) => slot));
  }
}

type Progress = { done: number; readonly all: number };

function birthsFor({ pool, births }: Home, object: ObjectState): { own: Births; store: StoreState } {
  const store = pool.stores.get(object.store);
  assert(store !== undefined, 'an object belongs to a store');
  const own = births.get(store);
  assert(own !== undefined, 'the births of a store that is taken are known');
  return { own, store };
}

/** The object is at that generation from here on. */
function homingAt(run: Home, object: ObjectState, work: ObjectState['work']): Homing {
  const { pool, freed, transfers } = run;
  const { own, store } = birthsFor(run, object);
  object.work = work;
  const birth = own.of(work.generation);
  const shared = sharedWithDead(pool, store.id, object, own.shared(work.generation));
  return { pool, object, freed, transfers, birth, shared, compression: compressionOf(store, object) };
}

/**
 * One generation after the other, up to the last that is wanted; what a snapshot has is kept before the first change that
 * it has not.
 */
async function bringObjectHome(
  run: Home,
  object: ObjectState,
  last: number,
  kept: RecordChange[],
  progress: Progress,
): Promise<void> {
  const { own } = birthsFor(run, object);
  for (const { generation, layer, sizeBytes } of object.overlay.frozen()) {
    if (generation > last) return;
    const snapshot = own.before(generation);
    if (snapshot !== undefined && snapshot.id >= object.work.generation && snapshot.id >= object.created) {
      await keepFor(run, object, snapshot, kept);
      object.own.beginAnew();
    }
    await bringLayerHome(homingAt(run, object, { generation, sizeBytes }), layer, run.turns, progress);
    // The next generation may write to the same place.
    await run.transfers.drained();
  }
}

/** The object's state, as the checkpoint has it now, is what the snapshot has. */
async function keepFor(run: Home, object: ObjectState, snapshot: SnapshotState, kept: RecordChange[]): Promise<void> {
  const { pool, turns } = run;
  const { own, store } = birthsFor(run, object);
  const { generation, sizeBytes } = object.work;
  const shared = sharedWithDead(pool, store.id, object, own.shared(generation));
  const root = await object.tree.write(own.of(generation), turns, shared);
  const { mappedBlocks: blocks, mappedSaved: saved } = object;
  const record = recordOf(object, root, { sizeBytes, blocks, saved, generation });
  kept.push(packedChange(keptKey(store.id, object.id, snapshot.id), record));
}

async function bringLayerHome(homing: Homing, layer: Layer, turns: Turns, progress: Progress): Promise<void> {
  const chunks = await sorted(layer.keys(), layer.size, turns);
  const ahead = new PageLookahead(homing.pool, homing.object, chunks);
  try {
    for (let at = 0; at < chunks.length; at += 1) {
      const chunk = chunks[at]!;
      const settled = bringHome(homing, chunk, layer.get(chunk)!);
      if (isPromise(settled)) {
        ahead.from(at);
        await settled;
      }
      progress.done += 1;
      turns.done = progress.done / progress.all;
      if (turns.isOver) await turns.next();
    }
  } finally {
    await ahead.idle();
  }
}

/** Writes the pages and gives all records of the commit (d). */
async function commitChanges(
  pool: PoolParts,
  taken: Taken,
  births: ReadonlyMap<StoreState, Births>,
  { gone }: Dying,
  clean: boolean,
  trees: TreeChange[],
  turns: Turns,
): Promise<RecordChange[]> {
  const changes: RecordChange[] = [];
  const write = async (tree: PageTree, birth = pool.birth, shared?: Shared): Promise<TreeRoot> => {
    const root = await tree.write(birth, turns, shared);
    trees.push({ tree, root });
    return root;
  };
  for (const { object, sizeBytes } of taken.objects) {
    const store = pool.stores.get(object.store)!;
    const own = births.get(store)!;
    const { generation } = object.work;
    const shared = sharedWithDead(pool, store.id, object, own.shared(generation));
    const root = await write(object.tree, own.of(generation), shared);
    const { mappedBlocks: blocks, mappedSaved: saved } = object;
    const record = recordOf(object, root, { sizeBytes, blocks, saved, generation });
    changes.push(packedChange(objectKey(object.store, object.id), record));
  }
  for (const { store, sequence, generation, snapshots, deleted, flattens } of taken.stores) {
    const lineage = flattens && isFlat(store) ? noOrigin : store;
    changes.push(packedChange(storeKey(store.id), storeRecord(lineage, store, sequence, generation)));
    for (const { snapshot, birth } of births.get(store)?.pending() ?? []) {
      const { id, sequence: taken, isDropped } = snapshot;
      changes.push(packedChange(snapshotKey(store.id, id), { sequence: taken, birth, isDropped }));
    }
    changes.push(...droppedChanges(store, snapshots, gone));
    for (const { id } of deleted) changes.push({ key: objectKey(store.id, id), value: null });
    for (const { key, value } of store.records.frozen) {
      const name = recordKey(store.id, key);
      changes.push({ key: name, value: value === null ? null : sealed(name, value) });
    }
  }
  const checksums = await write(pool.checksums);
  for (const { index, bytes } of pool.slots.takeDirty()) changes.push(bitmapChange('slots', index, bytes));
  for (const { index, bytes } of pool.pages.allocator.takeDirty()) changes.push(bitmapChange('pages', index, bytes));
  changes.push(packedChange(poolKey, poolRecord(pool, taken.position, clean, checksums)));
  await pool.pages.flush();
  return changes;
}

/** Rule 1(e): slots that nothing durable refers to any more, and the host's room of what was trimmed. */
async function giveBack(pool: PoolParts, freed: Freed): Promise<void> {
  for (const slots of [freed.slots, freed.moved]) {
    await pool.slotWrites.idle(slots);
    for (const slot of slots) pool.cache.dropSlot(slot);
  }
  if (freed.slots.length > 0 || !freed.blocks.isEmpty) {
    const punch = async (): Promise<void> => {
      await giveBackSlots(pool, freed.slots);
      await giveBackBlocks(pool, freed.blocks.all());
    };
    await pool.room.withhold(punch, () => pool.data.sync());
  }
  for (const slot of freed.moved) pool.slots.releaseWarm(slot);
  const warmBytes = Math.min(mostWarmBytes, Math.max(0, pool.room.availableBytes) * warmShare);
  await giveUpWarm(pool, Math.floor(warmBytes / pool.chunkSizeBytes));
}

function rollBack(pool: PoolParts, taken: Taken, freed: Freed, dying: Dying): void {
  unbury(pool, dying);
  for (const tree of pool.dead.values()) tree.cursor = tree.committedCursor;
  for (const object of allObjects(pool)) object.own.rollBack();
  for (const object of objectsOf(taken)) {
    object.overlay.unfreeze();
    object.tree.abandon();
    object.mappedBlocks = object.committedBlocks;
    object.mappedSaved = object.committedSaved;
    object.work = { generation: object.generation, sizeBytes: object.committedSize };
  }
  for (const { store, deleted } of taken.stores) {
    abandonFlattening(store);
    for (const object of deleted) store.deleted.add(object);
    store.records.unfreeze();
    store.changed = true;
  }
  pool.checksums.abandon();
  pool.pages.rollBack();
  pool.slots.rollBack();
  for (const slot of freed.taken) pool.slots.release(slot);
}
