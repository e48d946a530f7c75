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
import { openPool, type PoolOptions } from './index.ts';

const options: PoolOptions = {
  overlayBytes: 8 * MiB,
  journalBytes: 32 * MiB,
  cacheBytes: 4 * MiB,
  chunkSizeBytes: 256 * KiB,
};

/** A pool on a machine of its own, whose time runs until the fixture is removed. */
async function create(roomBytes?: number): Promise<PoolFixture> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  machine.setRoom(roomBytes);
  let running = true;
  const run = async (): Promise<void> => {
    while (running) await machine.step();
  };
  void run();
  const open = (): Promise<Pool> =>
    openPool(machine.host, '/pool', { ...options, openRecords: () => machine.openRecords() });
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

objectStoreContract(test, 'chunk store on the simulated host', subject);
objectStoreContractWithPast(test, 'chunk store on the simulated host', subject);
objectStoreContract(test, 'chunk store on the simulated host, compressed', ofCompressed(subject));
objectStoreContractWithPast(test, 'chunk store on the simulated host, compressed', ofCompressed(subject));
