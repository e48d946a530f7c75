import { allDone, errorKindOf, GiB, isPromise } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, readEntry } from './format/map-leaf.ts';
import type { Freed } from './freed.ts';
import { bringHome } from './home.ts';
import { giveBackBlocks, giveBackSlots, reserveRoom } from './host-room.ts';
import type { JournalPosition } from './journal.ts';
import {
  bitmapKey,
  deletedKey,
  objectKey,
  packedChange,
  poolKey,
  recordKey,
  sealed,
  storeKey,
  type ObjectRecord,
  type PoolRecord,
} from './records/keys.ts';
import { giveUpWarm } from './reclaim.ts';
import type { Overlay } from './overlay.ts';
import { PageLookahead } from './page-lookahead.ts';
import type { PageTree, TreeRoot } from './page-tree.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import { sorted } from './sorted.ts';
import { Transfers } from './transfers.ts';
import { Turns } from './turns.ts';

/** Leaves of deleted objects that one checkpoint frees. */
const leavesAtOnce = 256;
/**
 * Free slots that keep their room on the host, for the overwrites to come: as much as those take between two checkpoints, and
 * little of what is free. To give room back and to find some again costs more than the writes themselves.
 */
const mostWarmBytes = 4 * GiB;
const warmShare = 1 / 8;

type Change = { readonly key: Uint8Array; readonly value: Uint8Array | null };

/** What the running checkpoint took: the state of everything at one point of the sequence. */
export type Taken = {
  readonly position: JournalPosition;
  readonly objects: readonly { readonly object: ObjectState; readonly sizeBytes: number }[];
  readonly stores: readonly {
    readonly store: StoreState;
    readonly sequence: number;
    readonly deleted: readonly ObjectState[];
  }[];
};

/** Freezes everything, in one turn. What was recorded must be appended. */
export function takeAll(pool: PoolParts, position: JournalPosition): Taken {
  const objects: { object: ObjectState; sizeBytes: number }[] = [];
  const stores: { store: StoreState; sequence: number; deleted: ObjectState[] }[] = [];
  for (const store of pool.stores.values()) {
    if (!store.changed) continue;
    store.changed = false;
    stores.push({ store, sequence: store.sequence, deleted: [...store.deleted] });
    for (const object of store.deleted) object.overlay.freeze();
    store.deleted.clear();
    store.records.freeze();
    for (const object of store.objects.values()) {
      object.overlay.freeze();
      objects.push({ object, sizeBytes: object.journaledSize });
    }
  }
  return { position, objects, stores };
}

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
    return await once();
  }
}

/** One checkpoint, in rule 1's order. One that fails before its commit leaves everything as it was; the journal still has it all. */
async function checkpoint(pool: PoolParts, taken: Taken, { clean, sync, dueMs }: CheckpointRun): Promise<void> {
  const freed: Freed = { slots: [], moved: [], blocks: [], taken: [], reserved: [] };
  const trees: { tree: PageTree; root: TreeRoot }[] = [];
  const turns = new Turns(pool.host, dueMs);
  const transfers = new Transfers(pool.trickleBytes, sync);
  pool.birth += 1;
  pool.data.asksForRoom = isSpread(pool);
  try {
    if (pool.broken !== 'home-before-journal') await sync();
    turns.begin();
    await bringAllHome(pool, taken, freed, transfers, turns);
    const changes = await commitChanges(pool, taken, clean, trees, turns);
    await transfers.drained();
    // Both at once: a device empties its cache for two together.
    await allDone([pool.data.sync(), pool.pages.sync()]);
    if (pool.broken === 'home-before-journal') await sync();
    if (pool.broken === 'release-before-commit')
      await giveBack(pool, { ...freed, slots: [...freed.slots, ...freed.moved], moved: [] });
    await pool.records.commit(changes);
  } catch (error) {
    // What is on its way still reads from memory that is about to be given back.
    await transfers.drained().catch(() => undefined);
    rollBack(pool, taken, freed);
    throw error;
  }
  for (const { tree, root } of trees) tree.adopt(root);
  pool.slots.committed();
  const home = overlaysOf(taken).map((overlay) => ({ overlay, layer: overlay.thaw() }));
  for (const { object } of taken.objects) object.committedBlocks = object.mappedBlocks;
  for (const { store } of taken.stores) store.records.thaw();
  pool.pages.releaseFreed();
  for (const [id, tree] of pool.deleting) if (tree.root.ref === undefined) pool.deleting.delete(id);
  pool.counters.checkpoints += 1;
  turns.begin();
  for (const { overlay, layer } of home) {
    if (layer === undefined) continue;
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
  const mostBytes = pool.room.freeBytes / 2;
  let holesBytes = pool.slots.liveCount * pool.chunkSizeBytes;
  if (holesBytes <= mostBytes) return false;
  for (const store of pool.stores.values()) {
    for (const { mappedBlocks } of store.objects.values()) holesBytes -= mappedBlocks * blockSize;
  }
  return holesBytes > mostBytes;
}

/** Of all objects that were frozen, those that are deleted as well. */
function overlaysOf(taken: Taken): Overlay[] {
  const deleted = taken.stores.flatMap((store) => store.deleted);
  return [...taken.objects.map(({ object }) => object), ...deleted].map(({ overlay }) => overlay);
}

async function bringAllHome(
  pool: PoolParts,
  taken: Taken,
  freed: Freed,
  transfers: Transfers,
  turns: Turns,
): Promise<void> {
  let all = 0;
  let home = 0;
  for (const { object } of taken.objects) all += object.overlay.frozen?.size ?? 0;
  for (const { object } of taken.objects) {
    const { frozen } = object.overlay;
    if (frozen === undefined) continue;
    const chunks = await sorted(frozen.keys(), frozen.size, turns);
    const ahead = new PageLookahead(pool, object, chunks);
    try {
      for (let at = 0; at < chunks.length; at += 1) {
        const chunk = chunks[at]!;
        const settled = bringHome(pool, object, chunk, frozen.get(chunk)!, freed, transfers);
        if (isPromise(settled)) {
          ahead.from(at);
          await settled;
        }
        home += 1;
        turns.done = home / all;
        if (turns.isOver) await turns.next();
      }
    } finally {
      await ahead.idle();
    }
  }
  await reserveRoom(pool, freed.reserved);
  for (const { deleted } of taken.stores) {
    for (const object of deleted) {
      pool.deleting.set(object.id, object.tree);
      for (const { slots } of object.overlay.frozen?.values() ?? []) freed.slots.push(...slots.map(({ slot }) => slot));
    }
  }
  await freeDeleted(pool, freed, turns);
}

/** Deleted objects lose some leaves in each checkpoint, in the same commit as their frees: it can stop anywhere. */
async function freeDeleted(pool: PoolParts, freed: Freed, turns: Turns): Promise<void> {
  let leaves = 0;
  for (const tree of pool.deleting.values()) {
    for (let at = await tree.nextLeaf(0); at >= 0 && leaves < leavesAtOnce; at = await tree.nextLeaf(at + 1)) {
      const page = await tree.change(at);
      for (let index = 0; index < entriesEach; index += 1) {
        for (const { slot } of readEntry(page.view, index).pieces) {
          pool.slots.setDurable(slot, false);
          freed.slots.push(slot);
        }
      }
      page.bytes.fill(0);
      leaves += 1;
      if (turns.isOver) await turns.next();
    }
  }
}

/** Writes the pages and gives all records of the commit (d). */
async function commitChanges(
  pool: PoolParts,
  taken: Taken,
  clean: boolean,
  trees: { tree: PageTree; root: TreeRoot }[],
  turns: Turns,
): Promise<Change[]> {
  const changes: Change[] = [];
  const write = async (tree: PageTree): Promise<TreeRoot> => {
    const root = await tree.write(pool.birth, turns);
    trees.push({ tree, root });
    return root;
  };
  for (const { object, sizeBytes } of taken.objects) {
    const { ref, levels } = await write(object.tree);
    const record: ObjectRecord = { sizeBytes, root: ref, levels, blocks: object.mappedBlocks };
    changes.push(packedChange(objectKey(object.store, object.id), record));
  }
  for (const { store, sequence, deleted } of taken.stores) {
    changes.push(packedChange(storeKey(store.id), { sequence }));
    for (const { id } of deleted) changes.push({ key: objectKey(store.id, id), value: null });
    for (const { key, value } of store.records.frozen) {
      const name = recordKey(store.id, key);
      changes.push({ key: name, value: value === null ? null : sealed(name, value) });
    }
  }
  for (const [id, tree] of pool.deleting) {
    const { ref, levels } = await write(tree);
    const key = deletedKey(id);
    changes.push(
      ref === undefined ? { key, value: null } : packedChange(key, { sizeBytes: 0, root: ref, levels, blocks: 0 }),
    );
  }
  const checksums = await write(pool.checksums);
  for (const { index, bytes } of pool.slots.takeDirty()) changes.push(bitmapChange('slots', index, bytes));
  for (const { index, bytes } of pool.pages.allocator.takeDirty()) changes.push(bitmapChange('pages', index, bytes));
  changes.push(packedChange(poolKey, poolRecord(pool, taken.position, clean, checksums)));
  await pool.pages.flush();
  return changes;
}

function poolRecord(pool: PoolParts, position: JournalPosition, clean: boolean, checksums: TreeRoot): PoolRecord {
  return {
    birth: pool.birth,
    position,
    nextObject: pool.nextObject,
    nextStore: pool.nextStore,
    lossGeneration: pool.lossGeneration,
    promisedLossGeneration: pool.promisedLossGeneration,
    clean,
    bootId: pool.host.bootId(),
    checksumRoot: checksums.ref,
    checksumLevels: checksums.levels,
  };
}

/** Rule 1(e): slots that nothing durable refers to any more, and the host's room of what was trimmed. */
async function giveBack(pool: PoolParts, freed: Freed): Promise<void> {
  for (const slots of [freed.slots, freed.moved]) {
    await pool.slotWrites.idle(slots);
    for (const slot of slots) pool.cache.dropSlot(slot);
  }
  if (freed.slots.length + freed.blocks.length > 0) {
    const punch = async (): Promise<void> => {
      await giveBackSlots(pool, freed.slots);
      await giveBackBlocks(pool, freed.blocks);
    };
    await pool.room.withhold(punch, () => pool.data.sync());
  }
  for (const slot of freed.moved) pool.slots.releaseWarm(slot);
  const warmBytes = Math.min(mostWarmBytes, pool.room.freeBytes * warmShare);
  await giveUpWarm(pool, Math.floor(warmBytes / pool.chunkSizeBytes));
}

function rollBack(pool: PoolParts, taken: Taken, freed: Freed): void {
  for (const overlay of overlaysOf(taken)) overlay.unfreeze();
  for (const { object } of taken.objects) {
    object.tree.abandon();
    object.mappedBlocks = object.committedBlocks;
  }
  for (const { store, deleted } of taken.stores) {
    for (const object of deleted) {
      pool.deleting.delete(object.id);
      store.deleted.add(object);
    }
    store.records.unfreeze();
    store.changed = true;
  }
  for (const tree of pool.deleting.values()) tree.abandon();
  pool.checksums.abandon();
  pool.pages.rollBack();
  pool.slots.rollBack();
  for (const slot of freed.taken) pool.slots.release(slot);
}

function bitmapChange(kind: 'slots' | 'pages', index: number, bytes: Uint8Array): Change {
  const key = bitmapKey(kind, index);
  return { key, value: sealed(key, bytes) };
}
