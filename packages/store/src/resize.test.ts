import { KiB } from '@ashlar/core';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { openPool } from './pool.ts';

test('a volume that cannot be made smaller for want of room has the size that it had, and all its bytes', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(operation);
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

test('a snapshot keeps its size when the volume goes back to the one that it had before', async (t) => {
  const machine = new SimulatedMachine(3);
  machine.makeDurableDirectory('/pool');
  const open = (): ReturnType<typeof openPool> =>
    machine.finish(
      openPool(machine.host, '/pool', { chunkSizeBytes: 64 * KiB, openRecords: () => machine.openRecords() }),
    );
  const pool = await open();
  const id = await machine.finish(pool.createStore());
  const store = await pool.openStore(id);
  const object = await machine.finish(store.create(64 * KiB, 'off'));
  await machine.finish(pool.checkpoint());
  // At once, so that no checkpoint falls due in between.
  const growing = store.truncate(object, 128 * KiB);
  const taking = store.snapshot();
  const shrinking = store.truncate(object, 64 * KiB);
  const snapshot = await machine.finish(taking);
  await machine.finish(Promise.all([growing, shrinking]));
  const sizeBytes = store.openSnapshot(snapshot).sizeOf(object);
  machine.crash(false);
  const again = await open();
  await machine.finish(again.checkpoint());
  const reopened = await again.openStore(id);
  t.is(reopened.openSnapshot(snapshot).sizeOf(object), sizeBytes);
  t.is(reopened.sizeOf(object), 64 * KiB);
});
