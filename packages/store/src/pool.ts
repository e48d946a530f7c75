import {
  AshlarError,
  GiB,
  MiB,
  systemStore,
  type Compression,
  type Flow,
  type FlattenProgress,
  type ObjectStore,
  type Pool,
  type PoolStatus,
  type RecordChange,
  type RecordStore,
  type ScrubCommand,
  type ScrubReport,
  type Snapshot,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { Checkpointer } from './checkpointer.ts';
import { compressedPieces } from './format/superblock.ts';
import { addFeatures } from './identity.ts';
import type { Journal } from './journal.ts';
import { LocalObjectStore } from './object-store.ts';
import { openParts, type Opened } from './open.ts';
import {
  keyRange,
  objectKey,
  packedChange,
  newStoreRecord,
  poolKey,
  snapshotKey,
  storeKey,
  getPacked,
  type PoolRecord,
  type StoreRecord,
} from './records/keys.ts';
import { RecordOverlay } from './records/record-overlay.ts';
import { giveUpWarm } from './reclaim.ts';
import { buryAll, commitDying, nothingDying } from './dead-trees.ts';
import { flattenSome } from './flatten.ts';
import { cloneStore, rollBack } from './lineage.ts';
import { newStore } from './recovery.ts';
import { reserveRoomFor } from './reserve.ts';
import { Scrub } from './scrub/scrub.ts';
import { listSnapshots, refuseClones } from './snapshots.ts';
import { takeSnapshots } from './take-snapshots.ts';
import type { BrokenRule } from './broken-rule.ts';
import type { PoolParts, StoreState } from './state.ts';

export type PoolOptions = {
  /** For a new pool in files: 64, 128 or 256 KiB. On a device it is 64 KiB. */
  readonly chunkSizeBytes?: number;
  /** Bytes for cached blocks of data. */
  readonly cacheBytes?: number;
  /** Bytes for cached map and checksum pages. */
  readonly mapCacheBytes?: number;
  /** Bound of what is journaled and not yet home, in memory. */
  readonly overlayBytes?: number;
  readonly journalBytes?: number;
  /** The device that the data of a new pool is to lie on, or where that of one that is there is now. */
  readonly device?: string | undefined;
  /** Most that data may take of the disk; nothing: what there is. */
  readonly capacityBytes?: number | undefined;
  /** Leaves of maps (32 chunks each) that one checkpoint frees of what was deleted. */
  readonly deadLeavesAtOnce?: number;
  /** Bytes of data that a scrub gathers, to read them in the order in which they lie. */
  readonly scrubBytes?: number;
  /** The share of a scrub beside the volumes that are served. */
  readonly flow?: Flow;
  /** So many bytes of commits are kept behind a copy of the database, or as many as the copy has, before the next copy. */
  readonly recordLogBytes?: number;
  /** Opens the records' database at a path; LMDB unless a simulator brings its own. */
  readonly openRecords?: (path: string) => RecordStore;
  /** Breaks one of the store's rules on purpose: for the simulator's own tests. */
  readonly broken?: BrokenRule;
};

const defaultPoolOptions = {
  chunkSizeBytes: 256 * 1024,
  cacheBytes: 64 * MiB,
  mapCacheBytes: 64 * MiB,
  overlayBytes: 256 * MiB,
  journalBytes: GiB,
  deadLeavesAtOnce: 256,
  scrubBytes: GiB,
  recordLogBytes: 16 * MiB,
} as const;

/** What a pool that is closed says. */
const noRoom = { freeBytes: 0, usedBytes: 0, capacityBytes: 0 } as const;

/** A pool that is open in this thread, over one host. */
class LocalPool implements Pool {
  readonly #parts: PoolParts;
  readonly #journal: Journal;
  readonly #checkpointer: Checkpointer;
  readonly #lock: HostFile;
  readonly #damage: string | undefined;
  readonly #open = new Map<StoreId, LocalObjectStore>();
  readonly #scrub: Scrub;
  #closed = false;

  constructor({ parts, journal, lock, damage }: Opened, checkpointer: Checkpointer, scrub: Scrub) {
    this.#parts = parts;
    this.#journal = journal;
    this.#checkpointer = checkpointer;
    this.#lock = lock;
    this.#damage = damage;
    this.#scrub = scrub;
  }

  async createStore(): Promise<StoreId> {
    this.#check();
    const parts = this.#parts;
    return await this.#checkpointer.alone(async () => {
      const id = parts.nextStore;
      parts.nextStore += 1;
      const store = newStore(parts, id, newStoreRecord, new RecordOverlay());
      const changes = [packedChange(storeKey(id), newStoreRecord), this.#poolChange()];
      await parts.records.commit(changes, () => parts.stores.set(id, store));
      return id;
    });
  }

  openStore(store: StoreId): ObjectStore {
    this.#check();
    const state = this.#find(store);
    if (state.open) throw new AshlarError('busy', `store ${store} is open already`);
    state.open = true;
    const opened = new LocalObjectStore(this.#parts, state, this.#checkpointer);
    this.#open.set(store, opened);
    return opened;
  }

  async deleteStore(store: StoreId): Promise<void> {
    this.#check();
    const parts = this.#parts;
    const state = this.#find(store);
    refuseClones(parts, store);
    if (store === systemStore) throw new AshlarError('denied', 'the store of the catalogue is never deleted');
    if (state.open) throw new AshlarError('busy', `store ${store} is open: close it first`);
    // Everything of it is home first, so that what is left are roots to hand to the background.
    await this.#checkpointer.run(false);
    await this.#checkpointer.alone(async () => {
      const dying = nothingDying();
      const changes: RecordChange[] = [{ key: storeKey(store), value: null }];
      for (const object of state.objects.values()) {
        changes.push({ key: objectKey(store, object.id), value: null });
        buryAll(parts, state, object, dying);
      }
      for (const { id } of state.snapshots) changes.push({ key: snapshotKey(store, id), value: null });
      const { from, to } = keyRange('r', store);
      parts.records.scan(from, to, (key) => {
        changes.push({ key: Uint8Array.from(key), value: null });
        return true;
      });
      await commitDying(parts, [...changes, this.#poolChange()], dying, () => {
        parts.stores.delete(store);
        parts.room.reserve(state.reservation, 0);
      });
    });
    this.#checkpointer.begin();
  }

  snapshotsOf(store: StoreId): readonly Snapshot[] {
    this.#check();
    return listSnapshots(this.#find(store));
  }

  async snapshot(stores: readonly StoreId[], durable: boolean): Promise<readonly SnapshotId[]> {
    this.#check();
    const states = stores.map((store) => this.#find(store));
    return await takeSnapshots(this.#parts, states, durable, this.#checkpointer);
  }

  cloneStore(store: StoreId, snapshot: SnapshotId): Promise<StoreId> {
    this.#check();
    return cloneStore(this.#parts, this.#checkpointer, this.#find(store), snapshot, () => this.#poolChange());
  }

  rollBack(store: StoreId, snapshot: SnapshotId): Promise<void> {
    this.#check();
    return rollBack(this.#parts, this.#checkpointer, this.#find(store), snapshot, () => this.#poolChange());
  }

  flatten(store: StoreId): Promise<FlattenProgress> {
    this.#check();
    return flattenSome(this.#parts, this.#checkpointer, this.#find(store));
  }

  async reserve(store: StoreId, bytes: number, mustFit: boolean): Promise<void> {
    this.#check();
    await reserveRoomFor(this.#parts, this.#find(store), bytes, mustFit);
    this.#checkpointer.begin();
  }

  setCapacity(bytes: number | undefined): void {
    this.#check();
    this.#parts.room.capacityBytes = bytes;
  }

  async setCompression(store: StoreId, compression: Compression): Promise<void> {
    this.#check();
    const parts = this.#parts;
    const state = this.#find(store);
    if (compression !== 'off') {
      if (parts.places.isWhole) {
        const why = 'each chunk takes the same room there, compressed or not';
        throw new AshlarError('unsupported', `a pool on a device has no compressed volumes: ${why}`);
      }
      await addFeatures(parts.host, parts.path, { incompatible: compressedPieces });
    }
    await this.#checkpointer.alone(async () => {
      const { compression: _, ...record } = getPacked<StoreRecord>(parts.records, storeKey(store)) ?? newStoreRecord;
      await parts.records.commit([
        packedChange(storeKey(store), compression === 'off' ? record : { ...record, compression }),
      ]);
      state.compression = compression;
    });
  }

  #find(store: StoreId): StoreState {
    const state = this.#parts.stores.get(store);
    if (state === undefined) throw new AshlarError('not-found', `there is no store ${store} in this pool`);
    return state;
  }

  listStores(): readonly StoreId[] {
    this.#check();
    return [...this.#parts.stores.keys()];
  }

  status(): PoolStatus {
    const { arena, cache, counters, group, pages, path, places, poolId, records, room, slots } = this.#parts;
    const { state, reason } = this.#parts;
    return {
      state,
      reason,
      poolId,
      path,
      chunkSizeBytes: this.#parts.chunkSizeBytes,
      ...(this.#closed ? noRoom : { freeBytes: room.diskFreeBytes, ...room.bounds }),
      reservedBytes: room.keptBytes,
      availableBytes: this.#closed ? 0 : Math.max(0, room.availableBytes),
      allocatedBytes: slots.liveCount * this.#parts.chunkSizeBytes,
      journalBytes: this.#journal.bytes,
      overlayBytes: arena.heldBytes,
      cacheBytes: pages.cachedBytes + cache.heldBytes,
      lossGeneration: this.#parts.lossGeneration,
      promisedLossGeneration: this.#parts.promisedLossGeneration,
      checkpoints: counters.checkpoints,
      syncs: group.syncs,
      failedSyncs: this.#journal.failedSyncs,
      corruptBlocks: counters.corruptBlocks + pages.corruptPages,
      damagedRecords: counters.damagedRecords,
      hasRecordLog: records.isKept,
      madeAnew: this.#damage,
      device: places.device,
      dataIo: places.isDirect ? 'direct' : 'buffered',
    };
  }

  scrub(command: ScrubCommand): Promise<ScrubReport> {
    this.#check();
    return this.#scrub.obey(command);
  }

  /** Appends what arrived in this round of the data plane, before its replies go out. */
  endRound(): void {
    this.#parts.group.endRound();
  }

  /** Brings home everything recorded until now. */
  checkpoint(): Promise<void> {
    return this.#checkpointer.run(false);
  }

  /** For a thread that has nothing to do: brings everything home and lets go of the memory that it took. */
  async giveBack(): Promise<void> {
    if (this.#closed || this.#parts.state === 'failed') return;
    if (this.#parts.arena.usedBytes > 0) await this.#checkpointer.run(false);
    this.#parts.arena.giveBack();
    this.#parts.scratch.giveBack();
    this.#parts.overlayChunks.giveBack();
    this.#parts.checksums.giveBack();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const parts = this.#parts;
    try {
      await this.#scrub.close();
      for (const store of this.#open.values()) await store.close();
      for (const store of parts.stores.values()) store.changed ||= store.id === systemStore;
      await this.#checkpointer.run(true);
      await giveUpWarm(parts, 0);
      // What a scrub found is looked at again by the next start.
      if (parts.counters.damagedRecords === 0) await parts.records.endCleanly();
    } finally {
      this.#checkpointer.close();
      this.#journal.close();
      parts.places.close();
      parts.pages.close();
      parts.room.close();
      await parts.records.close();
      this.#lock.close();
    }
  }

  #poolChange(): RecordChange {
    const record = getPacked<PoolRecord>(this.#parts.records, poolKey);
    return packedChange(poolKey, { ...record, nextStore: this.#parts.nextStore, nextObject: this.#parts.nextObject });
  }

  #check(): void {
    if (this.#closed) throw new AshlarError('closed', 'the pool is closed');
  }
}

/** A pool with what its own data plane needs of it besides core's interface. */
export type ChunkPool = Pool & { endRound(): void; checkpoint(): Promise<void>; giveBack(): Promise<void> };

/**
 * Opens the pool in a directory, made if there is none, and recovers what its journal holds. Fails with `busy` where
 * another process has it, `corrupt`, `unsupported`, `read-only`, `denied`, `no-space`.
 */
export async function openPool(host: Host, path: string, options: PoolOptions = {}): Promise<ChunkPool> {
  const settings = { ...defaultPoolOptions, ...options };
  const opened = await openParts(host, path, settings);
  const { parts, journal } = opened;
  const checkpointer = new Checkpointer(parts, journal, settings.overlayBytes);
  parts.relieve = () => checkpointer.relieve();
  parts.room.capacityBytes = settings.capacityBytes;
  if (checkpointer.debtBytes > 0) checkpointer.begin();
  const scrub = new Scrub(parts, {
    commit: (change) => checkpointer.alone(() => parts.records.commit([change])),
    flow: settings.flow,
    sweepBytes: settings.scrubBytes,
    isAnew: opened.damage !== undefined,
    isSuspect: opened.isSuspect,
  });
  return new LocalPool(opened, checkpointer, scrub);
}
