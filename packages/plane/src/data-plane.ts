import type { ThrottleLimits } from '@ashlar/block';
import {
  systemStore,
  type Compression,
  type FlattenProgress,
  type ObjectStore,
  type Pool,
  type PoolStatus,
  type Preallocation,
  type RecordChange,
  type ScrubCommand,
  type ScrubReport,
  type SnapshotId,
  type Space,
  type StoreId,
  type Usage,
} from '@ashlar/core';
import type { CallCountsView, HeldLock } from '@ashlar/nfs';
import type { Volume, VolumePlace } from '@ashlar/volume';
import type { AcceptedSocket } from '@ashlar/host';
import type { Connections } from './connections.ts';
import type { Devices } from './devices.ts';
import type {
  Adoption,
  Changes,
  ConnectionInfo,
  DeviceFacts,
  Grant,
  NfsClientInfo,
  NfsConnectionInfo,
  NfsGrant,
  NfsOptions,
  NfsPlace,
  Selection,
} from './messages.ts';
import type { NfsConnections } from './nfs-connections.ts';
import type { Stores } from './stores.ts';
import type { Trees } from './trees.ts';

type DataPlaneParts = {
  readonly pool: Pool;
  readonly records: ObjectStore;
  readonly stores: Stores;
  readonly devices: Devices;
  readonly connections: Connections;
  readonly trees: Trees;
  readonly nfs: NfsConnections;
};

/** What the control plane may ask of a data worker. Every store access of the process happens behind these. */
export class DataPlane {
  readonly #parts: DataPlaneParts;

  constructor(parts: DataPlaneParts) {
    this.#parts = parts;
  }

  async status(): Promise<PoolStatus> {
    return this.#parts.pool.status();
  }

  async commitRecords(changes: readonly RecordChange[], durable: boolean): Promise<void> {
    await this.#parts.records.commit(changes, durable);
  }

  async scanRecords(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Promise<readonly { key: Uint8Array; value: Uint8Array }[]> {
    return this.#parts.records.scanRecords(from, to, limit);
  }

  /** Makes a volume's store and object, durable when it settles. What fails leaves no store behind. */
  async createVolume(sizeBytes: number, preallocation: Preallocation, compression: Compression): Promise<VolumePlace> {
    const { pool, stores } = this.#parts;
    const storeId = await pool.createStore();
    try {
      if (compression !== 'off') await pool.setCompression(storeId, compression);
      const store = await stores.open(storeId);
      const objectId = await store.create(sizeBytes, preallocation);
      await store.sync();
      return { storeId, objectId };
    } catch (error) {
      await this.removeVolume(storeId);
      throw error;
    }
  }

  /** The same with an empty file tree. */
  async createTree(compression: Compression): Promise<VolumePlace> {
    const { pool, trees } = this.#parts;
    const storeId = await pool.createStore();
    try {
      if (compression !== 'off') await pool.setCompression(storeId, compression);
      return await trees.make(storeId);
    } catch (error) {
      await this.removeVolume(storeId);
      throw error;
    }
  }

  resizeTree({ storeId }: VolumePlace, sizeBytes: number): void {
    this.#parts.trees.resize(storeId, sizeBytes);
  }

  async resizeVolume({ storeId, objectId }: VolumePlace, sizeBytes: number): Promise<void> {
    const store = await this.#parts.stores.open(storeId);
    if (store.sizeOf(objectId) !== sizeBytes) await store.truncate(objectId, sizeBytes);
    await store.sync();
  }

  async setCompression(storeId: StoreId, compression: Compression): Promise<void> {
    await this.#parts.pool.setCompression(storeId, compression);
  }

  async releaseVolume(storeId: StoreId, force: boolean): Promise<void> {
    await this.#parts.devices.release(storeId, force);
    await this.#parts.trees.close(storeId);
    await this.#parts.stores.close(storeId);
  }

  async removeVolume(storeId: StoreId): Promise<void> {
    await this.#parts.stores.close(storeId);
    await this.#parts.pool.deleteStore(storeId);
  }

  async reserve(storeId: StoreId, bytes: number, mustFit: boolean): Promise<void> {
    await this.#parts.pool.reserve(storeId, bytes, mustFit);
  }

  async setCapacity(bytes: number | undefined): Promise<void> {
    await this.#parts.pool.setCapacity(bytes);
  }

  async listVolumes(): Promise<readonly StoreId[]> {
    const stores = await this.#parts.pool.listStores();
    return stores.filter((storeId) => storeId !== systemStore);
  }

  /** Durable with the next durable commit of records: the stores of a pool have one journal. */
  async snapshotVolumes(volumes: readonly Pick<Volume, 'storeId' | 'type'>[]): Promise<readonly SnapshotId[]> {
    const { pool, trees } = this.#parts;
    const storeIds = volumes.map(({ storeId }) => storeId);
    const held = await trees.hold(volumes.flatMap(({ storeId, type }) => (type === 'file' ? [storeId] : [])));
    try {
      const ids = await pool.snapshot(storeIds, false);
      const ofTrees = ids.filter((_, at) => volumes[at]?.type === 'file');
      for (const [at, each] of held.entries()) await each.took(ofTrees[at]!);
      return ids;
    } catch (error) {
      for (const each of held) await each.failed();
      throw error;
    } finally {
      for (const each of held) each.release();
    }
  }

  async listSnapshots(): Promise<readonly { storeId: StoreId; snapshotId: SnapshotId }[]> {
    const { pool } = this.#parts;
    const found: { storeId: StoreId; snapshotId: SnapshotId }[] = [];
    for (const storeId of await pool.listStores()) {
      for (const { id } of await pool.snapshotsOf(storeId)) found.push({ storeId, snapshotId: id });
    }
    return found;
  }

  async releaseSnapshot(storeId: StoreId, snapshotId: SnapshotId, force: boolean): Promise<void> {
    await this.#parts.devices.releaseSnapshot(storeId, snapshotId, force);
    await this.#parts.nfs.withdrawSnapshot(storeId, snapshotId);
    await this.#parts.trees.closeSnapshot(storeId, snapshotId);
  }

  async removeSnapshot(storeId: StoreId, snapshotId: SnapshotId): Promise<void> {
    await (await this.#parts.stores.open(storeId)).deleteSnapshot(snapshotId);
    await this.#parts.trees.forgetSnapshots(storeId);
  }

  async cloneVolume(storeId: StoreId, snapshotId: SnapshotId): Promise<StoreId> {
    return this.#parts.pool.cloneStore(storeId, snapshotId);
  }

  /** What is known of files first: when the bytes are all its own the store has no origin any more. */
  async flattenVolume({ storeId, type }: Pick<Volume, 'storeId' | 'type'>): Promise<FlattenProgress> {
    const { pool, trees } = this.#parts;
    if (type === 'block') return pool.flatten(storeId);
    const { endBytes, isFlat } = await trees.flatten(storeId);
    if (!isFlat) return { isDone: false, doneBytes: 0, totalBytes: endBytes, damagedBytes: 0 };
    const progress = await pool.flatten(storeId);
    // Its object is larger than anything.
    return { ...progress, doneBytes: Math.min(progress.doneBytes, endBytes), totalBytes: endBytes };
  }

  /** What changed of a volume's object from one snapshot to another, or until now: at most `limit` runs, from `offset` on. */
  async changesOf(
    { storeId, objectId }: VolumePlace,
    since: SnapshotId,
    until: SnapshotId | undefined,
    offset: number,
    limit: number,
  ): Promise<Changes> {
    const store = await this.#parts.stores.open(storeId);
    const view = until === undefined ? undefined : store.openSnapshot(until);
    try {
      const after = view ?? store;
      const sizeBytes = after.sizeOf(objectId);
      const left = Math.max(0, sizeBytes - offset);
      const runs = left === 0 ? [] : await after.changesSince(objectId, since, offset, left, limit);
      const last = runs.at(-1);
      const changed: number[] = [];
      for (const run of runs) if (run.isChanged) changed.push(run.offset, run.length);
      return {
        sizeBytes,
        changed: Float64Array.from(changed),
        end: last === undefined ? sizeBytes : last.offset + last.length,
      };
    } finally {
      view?.close();
    }
  }

  /** Its devices are released. */
  async rollBackVolume({ storeId, type }: Pick<Volume, 'storeId' | 'type'>, snapshotId: SnapshotId): Promise<void> {
    const { pool, stores, trees } = this.#parts;
    await stores.close(storeId);
    await pool.rollBack(storeId, snapshotId);
    // Where this is cut off the whole of it is done again.
    if (type === 'file') await trees.rollBack(storeId, snapshotId);
  }

  async usageOf({ storeId, objectId }: VolumePlace): Promise<Usage> {
    return (await this.#parts.stores.open(storeId)).usageOf(objectId);
  }

  async spaceOf({ storeId, objectId }: VolumePlace, snapshotId: SnapshotId | undefined): Promise<Space> {
    const store = await this.#parts.stores.open(storeId);
    if (snapshotId === undefined) return store.spaceOf(objectId);
    const view = store.openSnapshot(snapshotId);
    try {
      return await view.spaceOf(objectId);
    } finally {
      view.close();
    }
  }

  async scrub(command: ScrubCommand): Promise<ScrubReport> {
    return this.#parts.pool.scrub(command);
  }

  async setLimits(storeId: StoreId, limits: ThrottleLimits): Promise<void> {
    await this.#parts.devices.setLimits(storeId, limits);
  }

  async describe(grant: Grant): Promise<DeviceFacts> {
    return this.#parts.devices.describe(grant);
  }

  /** The same of what is to be offered from now on. */
  async describeNew(grant: Grant): Promise<DeviceFacts> {
    return this.#parts.devices.describeNew(grant);
  }

  /** From now on the descriptor belongs to this worker. */
  adopt(adoption: Adoption): void {
    this.#parts.connections.adopt(adoption);
  }

  /** A directory that is to be exported from now on. */
  async openDirectory(path: string): Promise<void> {
    await this.#parts.trees.directories.openNew(path);
  }

  /** What is exported over NFS from now on: what is not is used by nobody when it settles. */
  async offerTrees(grants: readonly NfsGrant[]): Promise<void> {
    await this.#parts.nfs.offer(grants);
  }

  /** Gives whether a port mapper of somebody else tells of it. */
  async openNfs(place: NfsPlace): Promise<boolean> {
    return this.#parts.nfs.open(place);
  }

  listNfsClients(): readonly NfsClientInfo[] {
    return this.#parts.nfs.clients();
  }

  nfsCalls(): CallCountsView {
    return this.#parts.nfs.calls();
  }

  setNfsOptions(options: NfsOptions): void {
    this.#parts.nfs.setOptions(options);
  }

  listLocks(): readonly HeldLock[] {
    return this.#parts.nfs.locks();
  }

  /** From now on the descriptor belongs to this worker. */
  adoptNfs(id: number, socket: AcceptedSocket): void {
    this.#parts.nfs.adopt(id, socket);
  }

  listNfsConnections(): readonly NfsConnectionInfo[] {
    return this.#parts.nfs.list();
  }

  listConnections(): readonly ConnectionInfo[] {
    return this.#parts.connections.list();
  }

  disconnect(selection: Selection): number {
    return this.#parts.connections.disconnect(selection);
  }

  /** Ends all connections as `close` does, and makes durable what they wrote. */
  async drain(timeoutMs: number): Promise<number> {
    const { records, trees } = this.#parts;
    const cut = await this.#drained(timeoutMs);
    await trees.directories.sync();
    // The stores of a pool have one journal: a sync of any is one of all.
    await records.sync();
    return cut;
  }

  /**
   * Ends all connections: each finishes what it has received, for at most `timeoutMs`, then everything is made durable
   * and closed. Gives how many had to be cut off. Rejects where something could not be made durable, all closed even so.
   */
  async close(timeoutMs: number): Promise<number> {
    const { devices, stores, trees, records, pool } = this.#parts;
    const cut = await this.#drained(timeoutMs);
    try {
      await trees.closeAll();
      await devices.close();
      await stores.closeAll();
      await records.close();
    } finally {
      await pool.close();
    }
    return cut;
  }

  async #drained(timeoutMs: number): Promise<number> {
    const { connections, nfs } = this.#parts;
    const [cut, cutOfNfs] = await Promise.all([connections.drain(timeoutMs), nfs.drain(timeoutMs)]);
    return cut + cutOfNfs;
  }
}

/** The data plane's functions by name, as the other thread calls them. */
export type DataPlaneFunctions = {
  readonly [K in Exclude<keyof DataPlane, symbol>]: DataPlane[K];
};

export function functionsOf(plane: DataPlane): DataPlaneFunctions {
  return {
    status: () => plane.status(),
    commitRecords: (changes, durable) => plane.commitRecords(changes, durable),
    scanRecords: (from, to, limit) => plane.scanRecords(from, to, limit),
    createTree: (compression) => plane.createTree(compression),
    resizeTree: (place, sizeBytes) => plane.resizeTree(place, sizeBytes),
    openDirectory: (path) => plane.openDirectory(path),
    offerTrees: (grants) => plane.offerTrees(grants),
    openNfs: (place) => plane.openNfs(place),
    listNfsClients: () => plane.listNfsClients(),
    nfsCalls: () => plane.nfsCalls(),
    setNfsOptions: (options) => plane.setNfsOptions(options),
    listLocks: () => plane.listLocks(),
    adoptNfs: (id, socket) => plane.adoptNfs(id, socket),
    listNfsConnections: () => plane.listNfsConnections(),
    createVolume: (sizeBytes, preallocation, compression) => plane.createVolume(sizeBytes, preallocation, compression),
    setCompression: (storeId, compression) => plane.setCompression(storeId, compression),
    resizeVolume: (place, sizeBytes) => plane.resizeVolume(place, sizeBytes),
    releaseVolume: (storeId, force) => plane.releaseVolume(storeId, force),
    removeVolume: (storeId) => plane.removeVolume(storeId),
    reserve: (storeId, bytes, mustFit) => plane.reserve(storeId, bytes, mustFit),
    setCapacity: (bytes) => plane.setCapacity(bytes),
    listVolumes: () => plane.listVolumes(),
    snapshotVolumes: (volumes) => plane.snapshotVolumes(volumes),
    listSnapshots: () => plane.listSnapshots(),
    releaseSnapshot: (storeId, snapshotId, force) => plane.releaseSnapshot(storeId, snapshotId, force),
    removeSnapshot: (storeId, snapshotId) => plane.removeSnapshot(storeId, snapshotId),
    cloneVolume: (storeId, snapshotId) => plane.cloneVolume(storeId, snapshotId),
    flattenVolume: (volume) => plane.flattenVolume(volume),
    changesOf: (place, since, until, offset, limit) => plane.changesOf(place, since, until, offset, limit),
    rollBackVolume: (volume, snapshotId) => plane.rollBackVolume(volume, snapshotId),
    usageOf: (place) => plane.usageOf(place),
    spaceOf: (place, snapshotId) => plane.spaceOf(place, snapshotId),
    scrub: (command) => plane.scrub(command),
    setLimits: (storeId, limits) => plane.setLimits(storeId, limits),
    describe: (grant) => plane.describe(grant),
    describeNew: (grant) => plane.describeNew(grant),
    adopt: (adoption) => plane.adopt(adoption),
    listConnections: () => plane.listConnections(),
    disconnect: (selection) => plane.disconnect(selection),
    drain: (timeoutMs) => plane.drain(timeoutMs),
    close: (timeoutMs) => plane.close(timeoutMs),
  };
}
