import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import {
  objectStoreContract,
  objectStoreContractWithPast,
  ofCompressed,
  type PoolFixture,
  type PoolSubject,
} from '@ashlar/testing';
import test from 'ava';
import { openPool, type PoolOptions } from './index.ts';

const options: PoolOptions = { overlayBytes: 8 * MiB, journalBytes: 32 * MiB, cacheBytes: 4 * MiB };

async function fixture(path: string, remove: () => Promise<void>): Promise<PoolFixture> {
  let pool = await openPool(createRealHost(), path, options);
  // A write that waits for its turn keeps no process alive: of a server the sockets do.
  const alive = setInterval(() => undefined, 1000);
  return {
    pool,
    reopen: async () => {
      await pool.close();
      pool = await openPool(createRealHost(), path, options);
      return pool;
    },
    openSecond: () => openPool(createRealHost(), path, options),
    dispose: async () => {
      await pool.close();
      clearInterval(alive);
      await remove();
    },
  };
}

const subject: PoolSubject = {
  create: async () => {
    const path = await mkdtemp(`${tmpdir()}/ashlar-store-`);
    return await fixture(path, () => rm(path, { recursive: true }));
  },
  ...(process.getuid?.() === 0 ? { createLimited } : {}),
};

objectStoreContract(test, 'chunk store on the host', subject);
objectStoreContractWithPast(test, 'chunk store on the host', subject);
// In short it is the simulated host's, which compresses by the same code.
if (process.env['ASHLAR_LONG'] === '1') {
  objectStoreContract(test, 'chunk store on the host, compressed', ofCompressed(subject));
}

/** A file system of that size in memory. */
async function createLimited(roomBytes: number): Promise<PoolFixture> {
  const path = await mkdtemp(`${tmpdir()}/ashlar-store-`);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${roomBytes}`, 'tmpfs', path]);
  return await fixture(path, async () => {
    execFileSync('umount', ['-l', path]);
    await rmdir(path);
  });
}
