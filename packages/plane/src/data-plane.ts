import type { ThrottleLimits } from '@ashlar/block';
import {
  systemStore,
  type ObjectStore,
  type Pool,
  type PoolStatus,
  type Preallocation,
  type RecordChange,
  type Space,
  type StoreId,
} from '@ashlar/core';
import type { VolumePlace } from '@ashlar/volume';
import type { Connections } from './connections.ts';
import type { Devices } from './devices.ts';
import type { Adoption, ConnectionInfo, DeviceFacts, Grant, Selection } from './messages.ts';
import type { Stores } from './stores.ts';

type DataPlaneParts = {
  readonly pool: Pool;
  readonly records: ObjectStore;
  readonly stores: Stores;
  readonly devices: Devices;
  readonly connections: Connections;
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
  async createVolume(sizeBytes: number, preallocation: Preallocation): Promise<VolumePlace> {
    const { pool, stores } = this.#parts;
    const storeId = await pool.createStore();
    try {
      const store = await stores.open(storeId);
      const objectId = await store.create(sizeBytes, preallocation);
      await store.sync();
      return { storeId, objectId };
    } catch (error) {
      await this.removeVolume(storeId);
      throw error;
    }
  }

  async resizeVolume({ storeId, objectId }: VolumePlace, sizeBytes: number): Promise<void> {
    const store = await this.#parts.stores.open(storeId);
    if (store.sizeOf(objectId) !== sizeBytes) await store.truncate(objectId, sizeBytes);
    await store.sync();
  }

  async releaseVolume(storeId: StoreId, force: boolean): Promise<void> {
    await this.#parts.devices.release(storeId, force);
    await this.#parts.stores.close(storeId);
  }

  async removeVolume(storeId: StoreId): Promise<void> {
    await this.#parts.stores.close(storeId);
    await this.#parts.pool.deleteStore(storeId);
  }

  async listVolumes(): Promise<readonly StoreId[]> {
    const stores = await this.#parts.pool.listStores();
    return stores.filter((storeId) => storeId !== systemStore);
  }

  async spaceOf({ storeId, objectId }: VolumePlace): Promise<Space> {
    return (await this.#parts.stores.open(storeId)).spaceOf(objectId);
  }

  async setLimits(storeId: StoreId, limits: ThrottleLimits): Promise<void> {
    await this.#parts.devices.setLimits(storeId, limits);
  }

  async describe(grant: Grant): Promise<DeviceFacts> {
    return this.#parts.devices.describe(grant);
  }

  /** From now on the descriptor belongs to this worker. */
  adopt(adoption: Adoption): void {
    this.#parts.connections.adopt(adoption);
  }

  listConnections(): readonly ConnectionInfo[] {
    return this.#parts.connections.list();
  }

  disconnect(selection: Selection): number {
    return this.#parts.connections.disconnect(selection);
  }

  /** Ends all connections as `close` does, and makes durable what they wrote. */
  async drain(timeoutMs: number): Promise<number> {
    const { connections, records } = this.#parts;
    const cut = await connections.drain(timeoutMs);
    // The stores of a pool have one journal: a sync of any is one of all.
    await records.sync();
    return cut;
  }

  /**
   * Ends all connections: each finishes what it has received, for at most `timeoutMs`, then everything is made durable
   * and closed. Gives how many had to be cut off. Rejects where something could not be made durable, all closed even so.
   */
  async close(timeoutMs: number): Promise<number> {
    const { connections, devices, stores, records, pool } = this.#parts;
    const cut = await connections.drain(timeoutMs);
    try {
      await devices.close();
      await stores.closeAll();
      await records.close();
    } finally {
      await pool.close();
    }
    return cut;
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
    createVolume: (sizeBytes, preallocation) => plane.createVolume(sizeBytes, preallocation),
    resizeVolume: (place, sizeBytes) => plane.resizeVolume(place, sizeBytes),
    releaseVolume: (storeId, force) => plane.releaseVolume(storeId, force),
    removeVolume: (storeId) => plane.removeVolume(storeId),
    listVolumes: () => plane.listVolumes(),
    spaceOf: (place) => plane.spaceOf(place),
    setLimits: (storeId, limits) => plane.setLimits(storeId, limits),
    describe: (grant) => plane.describe(grant),
    adopt: (adoption) => plane.adopt(adoption),
    listConnections: () => plane.listConnections(),
    disconnect: (selection) => plane.disconnect(selection),
    drain: (timeoutMs) => plane.drain(timeoutMs),
    close: (timeoutMs) => plane.close(timeoutMs),
  };
}
