import { AshlarError, type ObjectId, type Settled } from '@ashlar/core';
import { TreeClock } from './attributes.ts';
import type { BrokenTreeRule } from './broken-rule.ts';
import type { HashKey } from './entries.ts';
import { cloneStoreOf, type CloneStore } from './clone-store.ts';
import { FileBytes } from './file-bytes.ts';
import type { Inode } from './inode.ts';
import { Inodes } from './inodes.ts';
import { freeRegionIn, inodeIn, keysOf, prefix } from './keys.ts';
import { noLots, RegionAllocator } from './region-allocator.ts';
import { withTables } from './region-tables.ts';
import { Reclaimer } from './reclaim.ts';
import { decodeTreeSuperblock, type TreeSuperblock } from './superblock.ts';
import { Holds } from './holds.ts';
import { Placed } from './placed.ts';
import { firstEpoch, valueIn } from './record-versions.ts';
import { TreeRecords, type Epochs } from './tree-records.ts';
import { loadSnapshots, TreeSnapshots, type TreeSnapshot } from './tree-snapshots.ts';
import { TreeRoom, type Room } from './tree-room.ts';
import {
  Batch,
  commitBatch,
  encodedSuperblock,
  superblockKey,
  type TreeSeams,
  type TreeState,
  type TreeStore,
} from './tree-state.ts';
import { Turns } from './turns.ts';
import { FileGates } from './file-gates.ts';

export const rootNumber = 1;

export type OpenTreeOptions = TreeSeams & {
  /** Inodes that are kept in memory though nobody asks for them. */
  readonly mostInodes?: number;
  readonly room: () => Settled<Room>;
  /** Breaks a rule on purpose: for tests. */
  readonly broken?: BrokenTreeRule | undefined;
};

export type OpenTree = {
  readonly state: TreeState;
  readonly reclaimer: Reclaimer;
  readonly snapshots: TreeSnapshots;
  /** Nothing: it is no clone. */
  readonly clone: CloneStore | undefined;
};

/** Many, and a bounded part of memory: an inode takes some 500 bytes. */
const defaultInodes = 131_072;
/** Of records that are looked at in one go. */
const scanCount = 1000;

/** Makes an empty tree on a store that has nothing but an object for its bytes, as large as objects can be. The root is whose `owner` says. */
export async function makeTree(
  store: TreeStore,
  object: ObjectId,
  seams: TreeSeams,
  owner: { readonly uid: number; readonly gid: number; readonly mode: number },
): Promise<void> {
  const { random } = seams;
  const hashKey: HashKey = [random.below(2 ** 32), random.below(2 ** 32)];
  const superblock: TreeSuperblock = {
    object,
    hashKey,
    nextInode: rootNumber + 1,
    end: 0,
    lots: noLots,
    isClean: true,
    isFrayed: false,
  };
  const { state } = stateOf(store, superblock, { ...seams, room: () => ({ totalBytes: 0, freeBytes: 0 }) });
  const now = state.clock.now({ seconds: 0, nanoseconds: 0 });
  const root: Inode = {
    number: rootNumber,
    generation: random.below(2 ** 32),
    type: 'directory',
    mode: owner.mode,
    links: 2,
    uid: owner.uid,
    gid: owner.gid,
    sizeBytes: 0,
    usedBytes: 0,
    device: { major: 0, minor: 0 },
    accessed: now,
    modified: now,
    changed: now,
    parent: rootNumber,
    entries: 0,
    verifier: undefined,
    text: Buffer.alloc(0),
    regions: [],
    changedTables: [],
    acls: undefined,
  };
  const batch = new Batch();
  batch.put(root);
  batch.record(superblockKey, encodedSuperblock(state, true));
  await commitBatch(state, batch);
  await store.sync();
}

/** Opens a tree. What was written and is not on record, as its process was killed, is given back. Fails with `not-found` where there is none, `corrupt`, `unsupported`. */
export async function openTreeState(store: TreeStore, options: OpenTreeOptions): Promise<OpenTree> {
  const clone = await cloneStoreOf(store, options.broken);
  const record = await (clone ?? store).getRecord(superblockKey);
  if (record === undefined) throw new AshlarError('not-found', 'the volume has no file tree');
  const superblock = decodeTreeSuperblock(valueIn(record));
  const { epochs, snapshots } = await loadSnapshots(store);
  const open = stateOf(store, superblock, options, { epochs, snapshots, clone });
  const { state } = open;
  if (!superblock.isClean) await trimUngiven(store, superblock);
  await eachRecord(state, prefix.freeRegion, ({ key }) => {
    const { base, regionClass } = freeRegionIn(key);
    if (superblock.isClean) state.regions.give(regionClass, base);
    else state.regions.giveSuspect(regionClass, base);
  });
  const orphans: Settled<Inode>[] = [];
  await eachRecord(state, prefix.orphan, ({ key, value }) => {
    orphans.push(withTables(state.records, inodeIn(key), value));
  });
  const batch = new Batch();
  batch.record(superblockKey, encodedSuperblock(state, false));
  await commitBatch(state, batch);
  for (const orphan of orphans) open.reclaimer.add(await orphan);
  open.reclaimer.sweep();
  return open;
}

/** What there was of a tree before, and what it is a clone of. */
type Past = {
  readonly epochs: Epochs;
  readonly snapshots: readonly TreeSnapshot[];
  readonly clone?: CloneStore | undefined;
};

function stateOf(
  store: TreeStore,
  { end, hashKey, isClean, isFrayed, lots, nextInode, object }: TreeSuperblock,
  { broken, clock, mostInodes = defaultInodes, random, room }: OpenTreeOptions,
  { clone, epochs, snapshots }: Past = { epochs: { current: firstEpoch, newestSnapshot: undefined }, snapshots: [] },
): OpenTree {
  const records = new TreeRecords(clone ?? store, epochs, broken);
  const regions = new RegionAllocator(end, lots);
  const gates = new FileGates();
  const reclaimer = new Reclaimer({ store, object, records, regions, gates });
  const state: TreeState = {
    store,
    object,
    hashKey,
    records,
    inodes: new Inodes(records, mostInodes),
    bytes: new FileBytes(store, object),
    regions,
    room: new TreeRoom(room),
    turns: new Turns(),
    gates,
    holds: new Holds(),
    firstFresh: nextInode,
    wasCut: isFrayed || !isClean,
    frayed: new Set(),
    clock: new TreeClock(clock),
    random,
    reclaim: (inode) => reclaimer.add(inode),
    reclaimed: () => reclaimer.progress(),
    placed: new Placed(),
    takenFree: [],
    nextInode,
    numbersEnd: nextInode,
    recordedNumbersEnd: nextInode,
  };
  return { state, reclaimer, clone, snapshots: new TreeSnapshots(records, epochs, snapshots, broken) };
}

/** What lies where nothing was given, by what is on record: nobody has it. */
async function trimUngiven(store: TreeStore, { end, lots, object }: TreeSuperblock): Promise<void> {
  const trim = (from: number, to: number): Settled<void> =>
    from < to ? store.trim(object, from, to - from, false) : undefined;
  for (const lot of lots) await trim(lot.next, lot.end);
  await trim(end, store.sizeOf(object));
}

async function eachRecord(
  { records }: TreeState,
  first: number,
  use: (record: { readonly key: Uint8Array; readonly value: Uint8Array }) => void,
): Promise<void> {
  const [start, end] = keysOf(first);
  for (let from: Buffer = start; ;) {
    const found = await records.scan(from, end, scanCount);
    for (const record of found) use(record);
    const last = found.at(-1);
    if (last === undefined || found.length < scanCount) return;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
