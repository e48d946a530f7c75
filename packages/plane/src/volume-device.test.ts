import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createObjectDevice } from '@ashlar/block';
import { MiB, TiB, type ObjectStore, type Pool } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { openPool } from '@ashlar/store';
import { blockDeviceContract, type DeviceFixture } from '@ashlar/testing';
import test from 'ava';

const options = { overlayBytes: 8 * MiB, journalBytes: 32 * MiB, cacheBytes: 4 * MiB, mapCacheBytes: 4 * MiB };

/** Makes a store with an object of that size that reads as zeros, and gives both. */
type Make = (pool: Pool, sizeBytes: number) => Promise<readonly [ObjectStore, number]>;

const made: Make = async (pool, sizeBytes) => {
  const store = await pool.openStore(await pool.createStore());
  return [store, await store.create(sizeBytes, 'off')];
};

/** A clone's blocks are its origin's until they are written. */
const cloned: Make = async (pool, sizeBytes) => {
  const id = await pool.createStore();
  const origin = await pool.openStore(id);
  const object = await origin.create(sizeBytes, 'off');
  await origin.zero(object, 0, Math.min(sizeBytes, 16 * MiB), true, false);
  const clone = await pool.openStore(await pool.cloneStore(id, await origin.snapshot()));
  await clone.trim(object, 0, sizeBytes, false);
  return [clone, object];
};

const create =
  (make: Make) =>
  async (sizeBytes: number): Promise<DeviceFixture> => {
    const path = await mkdtemp(`${tmpdir()}/ashlar-volume-`);
    const pool = await openPool(createRealHost(), path, options);
    const [store, object] = await make(pool, sizeBytes);
    const device = createObjectDevice(store, object);
    return {
      device,
      reopen: async () => {
        await device.close();
        return createObjectDevice(store, object);
      },
      dispose: async () => {
        await pool.close();
        await rm(path, { recursive: true });
      },
    };
  };

blockDeviceContract(test, 'a volume', { create: create(made), sparseSizeBytes: TiB });
blockDeviceContract(test, 'a clone', { create: create(cloned), sparseSizeBytes: TiB });
