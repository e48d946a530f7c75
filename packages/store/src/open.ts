import { AshlarError, errorKindOf, MiB, systemStore, type RecordStore, type StoreId } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { BlockArena } from './block-arena.ts';
import { BlockCache } from './block-cache.ts';
import { blockSize } from './checksum.ts';
import { checkpointAll } from './checkpoint.ts';
import { DataFiles } from './data-files.ts';
import { recordLog, type Superblock } from './format/superblock.ts';
import { SlotWrites } from './fresh-slot.ts';
import { GroupCommit } from './group-commit.ts';
import { addFeatures, changeIdentity, identityOf, newIdentity, publishIdentity } from './identity.ts';
import { Journal, type JournalPosition } from './journal.ts';
import { historyOf, historyUntil, type JournalSpan } from './journal-history.ts';
import { newObject } from './object-store.ts';
import { openPlaces } from './open-places.ts';
import { OverlayChunks } from './overlay-chunks.ts';
import { PageFile } from './page-file.ts';
import { emptyTree, PageTree } from './page-tree.ts';
import { recoveredRoom } from './promise-room.ts';
import { rootOf } from './kept.ts';
import { newKeptRecords, openKeptRecords, type KeptOptions, type KeptRecords } from './records/kept-records.ts';
import { lmdbSource, simulatedSource } from './records/records-source.ts';
import {
  getPacked,
  keyNumber,
  keyRange,
  newStoreRecord,
  opened,
  packedChange,
  poolKey,
  scrubKey,
  storeKey,
  unpackSealed,
  type DeadRecord,
  type ObjectRecord,
  type PoolRecord,
  type SnapshotRecord,
  type StoreRecord,
} from './records/keys.ts';
import { RecordOverlay } from './records/record-overlay.ts';
import { reclaim } from './reclaim.ts';
import { newStore, recover, type JournalTail } from './recovery.ts';
import { Room } from './room.ts';
import { Scratch } from './scratch.ts';
import { newScrubRecord } from './scrub/record.ts';
import { SlotBitmap } from './slot-bitmap.ts';
import type { SlotPlaces } from './slot-places.ts';
import type { BrokenRule } from './broken-rule.ts';
import type { PoolParts, StoreState } from './state.ts';
import { takeAll, type Taken } from './taken.ts';
import { sliceMs } from './turns.ts';

type Settings = {
  readonly chunkSizeBytes: number;
  readonly cacheBytes: number;
  readonly mapCacheBytes: number;
  readonly overlayBytes: number;
  readonly journalBytes: number;
  readonly deadLeavesAtOnce: number;
  readonly recordLogBytes: number;
  readonly device?: string | undefined;
  readonly openRecords?: (path: string) => RecordStore;
  readonly broken?: BrokenRule;
};

/** The size of the caches' parts that are let out one by one: some milliseconds each. */
const mostTrickleBytes = 8 * MiB;

export type Opened = {
  readonly parts: PoolParts;
  readonly journal: Journal;
  readonly lock: HostFile;
  /** What was wrong with the database, where it was made anew of its log. */
  readonly damage: string | undefined;
  /** As of `OpenedRecords`. */
  readonly isSuspect: boolean;
};

/** What a log of a small database takes at the most. */
const logsAtOnce = 3;

type Assembled = Omit<Opened, 'damage' | 'isSuspect'>;

/** Everything of a pool, recovered and ready for appends. */
export async function openParts(host: Host, path: string, settings: Settings): Promise<Opened> {
  for (const directory of [path, `${path}/journal`]) {
    if (host.stat(directory) === undefined) host.makeDirectory(directory);
  }
  const lock = host.open(`${path}/lock`, { create: true });
  if (!lock.tryLock(true)) {
    lock.close();
    throw new AshlarError('busy', `the pool in '${path}' is in use by another server`, { path });
  }
  const release: (() => void | Promise<void>)[] = [() => lock.close()];
  try {
    const found = identityOf(host, path);
    // Before there is a log that an older program would not go on with.
    if (found !== undefined) await addFeatures(host, path, { readOnlyCompatible: recordLog });
    const superblock = found ?? newIdentity(host, settings.chunkSizeBytes, settings.device);
    const places = await openPlaces(host, path, superblock, { named: settings.device, isNew: found === undefined });
    release.push(() => places.close());
    const reserve = host.open(`${path}/reserve`, { create: true });
    release.push(() => reserve.close());
    const rest = (records: KeptRecords): Promise<Assembled> =>
      assemble(host, path, settings, superblock, records, places, reserve, lock);
    const opened = await withRecords(recordsOf(host, path, settings, superblock), found === undefined, rest);
    await places.claim();
    if (found === undefined) await publishIdentity(host, path, superblock);
    else if (places.device !== undefined) await changeIdentity(host, path, { device: places.device });
    return opened;
  } catch (error) {
    for (const step of release.reverse()) await step();
    throw error;
  }
}

function recordsOf(host: Host, path: string, settings: Settings, { poolId }: Superblock): KeptOptions {
  const name = `${path}/records`;
  const { broken, openRecords, recordLogBytes: dumpAfterBytes } = settings;
  const source = openRecords === undefined ? lmdbSource(host, name) : simulatedSource(() => openRecords(name));
  return { host, path, poolId, source, dumpAfterBytes, broken };
}

/** Where the database of a pool that was closed turns out to be damaged it is looked at as behind any other stop. */
async function withRecords(
  options: KeptOptions,
  isNew: boolean,
  open: (records: KeptRecords) => Promise<Assembled>,
): Promise<Opened> {
  const attempt = async (looks: boolean): Promise<Opened> => {
    const { records, damage, isSuspect } = isNew
      ? await newKeptRecords(options)
      : await openKeptRecords(options, looks);
    try {
      const opened = await open(records);
      if (!isSuspect) await records.seen();
      return { ...opened, damage, isSuspect };
    } catch (error) {
      await records.close();
      throw error;
    }
  };
  try {
    return await attempt(false);
  } catch (error) {
    if (isNew || errorKindOf(error) !== 'corrupt') throw error;
    return await attempt(true);
  }
}

async function assemble(
  host: Host,
  path: string,
  settings: Settings,
  superblock: Superblock,
  records: KeptRecords,
  places: SlotPlaces,
  reserve: HostFile,
  lock: HostFile,
): Promise<Assembled> {
  const scratch = new Scratch(host);
  const pages = new PageFile(host, `${path}/pages`, settings.mapCacheBytes, scratch);
  await host.syncDirectory(path);
  const record = getPacked<PoolRecord>(records, poolKey);
  const arena = new BlockArena(host);
  const trickleBytes = Math.min(mostTrickleBytes, settings.overlayBytes / 8);
  const blocksEach = superblock.chunkSizeBytes / blockSize;
  const data = new DataFiles(places, scratch, settings.broken);
  const slots = new SlotBitmap(places.most);
  const checksumRoot = { ref: record?.checksumRoot, levels: record?.checksumLevels ?? 0 };
  const parts: PoolParts = {
    host,
    path,
    poolId: superblock.poolId,
    chunkSizeBytes: superblock.chunkSizeBytes,
    blocksEach,
    arena,
    cache: new BlockCache(host, settings.cacheBytes, blocksEach),
    scratch,
    zeros: host.alignedBuffer(blockSize).fill(0),
    slotWrites: new SlotWrites(),
    trickleBytes,
    deadLeavesAtOnce: settings.deadLeavesAtOnce,
    slots,
    pages,
    checksums: new PageTree(pages, checksumRoot.ref === undefined ? emptyTree : checksumRoot, true),
    places,
    data,
    records,
    stores: new Map(),
    dead: new Map(),
    room: new Room({
      host,
      path,
      reserve,
      reserveBytes: reserveBytes(settings),
      usedBytes: () => places.usedBytes(slots.liveCount),
      freeBytes: () =>
        places.isWhole ? (places.most - slots.liveCount) * superblock.chunkSizeBytes : host.freeBytes(path),
      isApart: places.isWhole,
      broken: settings.broken,
    }),
    counters: { corruptBlocks: 0, checkpoints: 0, damagedRecords: 0 },
    overlayChunks: new OverlayChunks(superblock.chunkSizeBytes / blockSize),
    freshSlots: 0,
    broken: settings.broken,
    hasStrays: record?.clean === false,
    group: undefined as unknown as GroupCommit,
    relieve: () => Promise.resolve(),
    birth: record?.birth ?? 0,
    nextObject: record?.nextObject ?? 1,
    nextStore: record?.nextStore ?? systemStore + 1,
    lossGeneration: record?.lossGeneration ?? 0,
    promisedLossGeneration: record?.promisedLossGeneration ?? 0,
    state: 'ok',
    reason: undefined,
  };
  const { room } = parts;
  records.logsWhere(() => room.spares(logsAtOnce * settings.recordLogBytes));
  loadState(parts);
  const journal = await startJournal(parts, settings.journalBytes, record);
  const failed = (failure: AshlarError): void => {
    parts.state = 'failed';
    parts.reason = failure.message;
  };
  const { clock, scheduler } = host;
  const { broken } = settings;
  parts.group = new GroupCommit({ journal, data, arena, scheduler, clock, failed, trickleBytes, broken });
  return { parts, journal, lock };
}

/** What one checkpoint writes at the worst, besides the blocks that were promised room. */
function reserveBytes(settings: Settings): number {
  return Math.min(16 * MiB, Math.floor(settings.overlayBytes / 8));
}

function loadState(parts: PoolParts): void {
  const { records } = parts;
  each(records, 'b', (key, value) => parts.slots.load(keyNumber(key, 0), value));
  each(records, 'p', (key, value) => parts.pages.allocator.load(keyNumber(key, 0), value));
  const { from, to } = keyRange('s');
  records.scan(from, to, (key, bytes) => {
    addStore(parts, keyNumber(key, 0), unpackSealed<StoreRecord>(key, bytes));
    return true;
  });
  if (!parts.stores.has(systemStore)) addStore(parts, systemStore, newStoreRecord);
  const snapshots = keyRange('n');
  records.scan(snapshots.from, snapshots.to, (key, bytes) => {
    const { sequence, birth, isDropped } = unpackSealed<SnapshotRecord>(key, bytes);
    parts.stores
      .get(keyNumber(key, 0))
      ?.snapshots.push({ id: keyNumber(key, 1), sequence, birth, openers: 0, isDropped });
    return true;
  });
  const objects = keyRange('o');
  records.scan(objects.from, objects.to, (key, bytes) => {
    const record = unpackSealed<ObjectRecord>(key, bytes);
    const store = parts.stores.get(keyNumber(key, 0));
    const id = keyNumber(key, 1);
    store?.objects.set(id, newObject(parts, store, id, record, rootOf(record), false));
    return true;
  });
  const dead = keyRange('d');
  records.scan(dead.from, dead.to, (key, bytes) => {
    const { root, levels, ...rest } = unpackSealed<DeadRecord>(key, bytes);
    parts.dead.set(keyNumber(key, 0), { ...rest, root: { ref: root, levels }, committedCursor: rest.cursor });
    return true;
  });
}

function each(records: RecordStore, letter: string, visit: (key: Uint8Array, value: Uint8Array) => void): void {
  const { from, to } = keyRange(letter);
  records.scan(from, to, (key, bytes) => {
    visit(key, opened(key, bytes));
    return true;
  });
}

function addStore(parts: PoolParts, id: StoreId, record: StoreRecord): StoreState {
  const store = newStore(parts, id, record, new RecordOverlay());
  parts.stores.set(id, store);
  return store;
}

/**
 * Recovers the journal behind the last checkpoint and opens the stream in a new generation, so that nothing of the old one can ever
 * be taken for its continuation. What was taken over whole is brought home later, as if it had just been written; after damage
 * everything is brought home first.
 */
async function startJournal(parts: PoolParts, journalBytes: number, record: PoolRecord | undefined): Promise<Journal> {
  const directory = `${parts.path}/journal`;
  const history = historyOf(record);
  const found = await recover(parts, directory, history);
  const lostPromised = found.lostFrames > 0 || found.cutSegments > 0;
  if (lostPromised) {
    parts.state = 'degraded';
    parts.reason =
      found.lostFrames > 0
        ? `${found.lostFrames} frames of the journal that had been promised are gone, and nothing says what they wrote: each volume is held`
        : 'the journal was cut short: the last writes that were acknowledged may be missing: each volume is held';
  }
  const lost = record !== undefined && !record.clean && record.bootId !== parts.host.bootId();
  const broken = parts.broken === 'no-loss-generation';
  if ((lost || lostPromised) && !broken) parts.lossGeneration += 1;
  if (lostPromised) parts.promisedLossGeneration = parts.lossGeneration;
  if (record !== undefined && found.tail !== undefined) {
    const journal = await goOnBehind(parts, record, history, found.tail, journalBytes);
    if (journal !== undefined) return journal;
  }
  const next = nextGeneration(history, found.nextNumber, 0);
  for (const store of parts.stores.values()) store.changed ||= store.id === systemStore;
  await bringHomeAtStart(parts, next);
  if (record === undefined) {
    const made = newScrubRecord(parts.host.clock.wallMs());
    await parts.records.commit([packedChange(storeKey(systemStore), newStoreRecord), packedChange(scrubKey, made)]);
  }
  await parts.room.restore();
  const { host, poolId, room } = parts;
  return await Journal.open(host, directory, poolId, next, { journalBytes, room, broken: parts.broken });
}

/** Where the generation behind a history begins, and the checksum of the frame before it. */
function nextGeneration(history: readonly JournalSpan[], number: number, previous: number): JournalPosition {
  return { generation: (history.at(-1)?.generation ?? 0) + 1, number, segment: -1, offset: 0, previous };
}

/**
 * Goes on behind what was taken over, which stays in the journal until the first checkpoint. That the old generation ends there is
 * durable before anything is appended to the new one. Undefined on a disk without room for it.
 */
async function goOnBehind(
  parts: PoolParts,
  record: PoolRecord,
  history: readonly JournalSpan[],
  tail: JournalTail,
  journalBytes: number,
): Promise<Journal | undefined> {
  const { host, path, poolId, room, broken, lossGeneration, promisedLossGeneration } = parts;
  const position = nextGeneration(history, tail.number, tail.previous);
  const earlier = historyUntil(history, tail.number);
  const changed = { position, earlier, clean: false, bootId: host.bootId(), lossGeneration, promisedLossGeneration };
  const kept = broken === 'recovered-segments-reused' ? undefined : tail;
  room.expect(recoveredRoom(parts));
  let journal: Journal | undefined;
  try {
    journal = await Journal.open(host, `${path}/journal`, poolId, position, { journalBytes, room, kept, broken });
    await parts.records.commit([packedChange(poolKey, { ...record, ...changed })]);
  } catch (error) {
    journal?.close();
    if (errorKindOf(error) !== 'no-space') throw error;
    return undefined;
  }
  await room.restore();
  return journal;
}

/** Where the disk is full it is tried once more with the room that the process before this one left behind. */
async function bringHomeAtStart(parts: PoolParts, next: JournalPosition): Promise<void> {
  const take = (): Promise<Taken> => Promise.resolve(takeAll(parts, next));
  const run = (): Promise<unknown> =>
    checkpointAll(parts, { take, clean: false, sync: () => parts.data.sync(), dueMs: () => sliceMs });
  try {
    await run();
  } catch (error) {
    if (errorKindOf(error) !== 'no-space') throw error;
    await reclaim(parts);
    await run();
  }
}
