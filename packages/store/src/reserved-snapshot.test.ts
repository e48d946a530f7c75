import { KiB } from '@ashlar/core';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { openPool, type ChunkPool, type PoolOptions } from './pool.ts';

/** A pool ends, after `last`, in which half a volume lies behind a snapshot; then another snapshot would take what is reserved for it. */
async function refuses(t: ExecutionContext, last: (pool: ChunkPool) => Promise<void>): Promise<void> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const options = (): PoolOptions => ({
    chunkSizeBytes: 64 * KiB,
    journalBytes: 10 * 1024 * KiB,
    capacityBytes: 768 * KiB,
    openRecords: () => machine.openRecords(),
  });
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(operation);
  const pool = await settled(openPool(machine.host, '/pool', options()));
  const id = await settled(pool.createStore());
  await settled(pool.reserve(id, 448 * KiB, true));
  const store = await pool.openStore(id);
  const object = await settled(store.create(256 * KiB, 'off'));
  const write = (byte: number): Promise<void> =>
    settled(store.write(object, 0, new Uint8Array(192 * KiB).fill(byte), true));
  await write(1);
  await settled(store.snapshot());
  await settled(pool.checkpoint());
  await write(2);
  await settled(last(pool));
  machine.crash(false);

  const again = await settled(openPool(machine.host, '/pool', options()));
  await settled(again.reserve(id, 448 * KiB, false));
  const reopened = await again.openStore(id);
  await failsWith(t, 'no-space', () => settled(reopened.snapshot()));
  await settled(reopened.write(object, 0, new Uint8Array(192 * KiB).fill(3), true));
  await settled(again.close());
}

test('behind a kill a snapshot is refused that would take what is reserved for its own volume', async (t) => {
  // What comes back from the journal is the volume's own.
  await refuses(t, () => Promise.resolve());
});

test('the same where what is its own was home, and is counted again behind the start', async (t) => {
  await refuses(t, (pool) => pool.checkpoint());
});
