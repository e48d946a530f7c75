import { KiB, MiB, type Pool } from '@ashlar/core';
import {
  objectStoreContract,
  objectStoreContractWithPast,
  ofCompressed,
  SimulatedMachine,
  type PoolFixture,
  type PoolSubject,
} from '@ashlar/testing';
import test from 'ava';
import { labelledBytes } from './format/device-label.ts';
import { openPool, type PoolOptions } from './index.ts';

const options: PoolOptions = {
  overlayBytes: 8 * MiB,
  journalBytes: 32 * MiB,
  cacheBytes: 4 * MiB,
  mapCacheBytes: 4 * MiB,
  chunkSizeBytes: 256 * KiB,
};

/** What a device has that bounds nothing. */
const ampleBytes = 4096 * MiB;

/** A pool on a machine of its own, whose time runs until the fixture is removed. `device`: where its data lies. */
async function create(roomBytes?: number, device?: string): Promise<PoolFixture> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  if (device === undefined) machine.setRoom(roomBytes);
  else machine.makeDevice(device, labelledBytes + (roomBytes ?? ampleBytes));
  let running = true;
  const run = async (): Promise<void> => {
    while (running) await machine.step();
  };
  void run();
  const open = (): Promise<Pool> =>
    openPool(machine.host, '/pool', { ...options, device, openRecords: () => machine.openRecords() });
  let pool = await open();
  const crash = async (powerLost: boolean): Promise<Pool> => {
    machine.crash(powerLost);
    pool = await open();
    return pool;
  };
  return {
    pool,
    reopen: async () => {
      await pool.close();
      pool = await open();
      return pool;
    },
    openSecond: open,
    kill: () => crash(false),
    losePower: () => crash(true),
    dispose: async () => {
      await pool.close();
      running = false;
    },
  };
}

const subject: PoolSubject = {
  create: () => create(),
  createLimited: (roomBytes) => create(roomBytes),
};

/** Whether everything runs in full (`npm run test:long`). */
const long = process.env['ASHLAR_LONG'] === '1';

const onDevice: PoolSubject = {
  create: () => create(undefined, '/device'),
  createLimited: (roomBytes) => create(roomBytes, '/device'),
  isOnDevice: true,
};

objectStoreContract(test, 'chunk store on the simulated host', subject);
objectStoreContract(test, 'chunk store on a simulated device', onDevice);
if (long) objectStoreContractWithPast(test, 'chunk store on a simulated device', onDevice);
objectStoreContractWithPast(test, 'chunk store on the simulated host', subject);
objectStoreContract(test, 'chunk store on the simulated host, compressed', ofCompressed(subject));
if (long) objectStoreContractWithPast(test, 'chunk store on the simulated host, compressed', ofCompressed(subject));
