import { KiB } from '@ashlar/core';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { openPool } from './pool.ts';

test('a volume that cannot be made smaller for want of room has the size that it had, and all its bytes', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(Promise.resolve(operation));
  const pool = await settled(
    openPool(machine.host, '/pool', { chunkSizeBytes: 64 * KiB, openRecords: () => machine.openRecords() }),
  );
  const store = await pool.openStore(await settled(pool.createStore()));
  const object = await settled(store.create(64 * KiB, 'off'));
  const bytes = new Uint8Array(64 * KiB).fill(7);
  await settled(store.write(object, 0, bytes, true));
  await settled(store.snapshot());
  await settled(pool.checkpoint());
  machine.setRoom(0);
  // The block that is cut is the snapshot's: what is left of it needs a new one.
  await failsWith(t, 'no-space', () => settled(store.truncate(object, 60 * KiB + 10)));
  t.is(store.sizeOf(object), 64 * KiB);
  machine.setRoom(undefined);
  const found = new Uint8Array(64 * KiB);
  await settled(store.read(object, 0, found));
  t.deepEqual(found, bytes);
  await settled(store.truncate(object, 60 * KiB + 10));
  await settled(store.truncate(object, 64 * KiB));
  await settled(store.read(object, 0, found));
  t.deepEqual(found.subarray(60 * KiB + 10), new Uint8Array(4 * KiB - 10));
  await settled(pool.close());
});
