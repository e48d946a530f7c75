import { KiB, MiB, type RecordChange } from '@ashlar/core';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { openPool } from './pool.ts';

const put = (key: string, bytes: number): RecordChange => ({ key: Buffer.from(key), value: Buffer.alloc(bytes, key) });

async function onMachine() {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(operation);
  const options = { chunkSizeBytes: 64 * KiB, journalBytes: 10 * MiB, overlayBytes: MiB };
  const pool = await settled(openPool(machine.host, '/pool', { ...options, openRecords: () => machine.openRecords() }));
  const store = await pool.openStore(await settled(pool.createStore()));
  return { machine, pool, settled, store };
}

test('on a full disk records that need room are refused, and what gives room back, or takes none, is not', async (t) => {
  const { machine, pool, settled, store } = await onMachine();
  const commit = (changes: readonly RecordChange[], givesBack?: boolean): Promise<void> =>
    settled(Promise.try(() => store.commit(changes, false, givesBack)));
  await commit([put('a', 20 * KiB), put('b', 20 * KiB), put('c', 1 * KiB)]);
  await settled(pool.checkpoint());
  machine.setRoom(8 * KiB);
  await failsWith(t, 'no-space', () => commit([put('d', 20 * KiB)]));
  t.is(await store.getRecord(Buffer.from('d')), undefined);
  await commit([put('c', 500)]);
  await commit([put('d', 200)], true);
  await commit([{ key: Buffer.from('a'), value: null }]);
  await failsWith(t, 'no-space', () => commit([put('a', 20 * KiB)]));
  await failsWith(t, 'no-space', () => commit([put('e', 55 * KiB)], true));
  machine.setRoom(undefined);
  await commit([put('a', 20 * KiB)]);
  t.deepEqual((await store.getRecord(Buffer.from('c')))?.length, 500);
  await settled(pool.close());
});

test('batches of records that wait for room, and those behind them, keep their order', async (t) => {
  const { machine, pool, settled, store } = await onMachine();
  machine.setRoom(64 * KiB);
  // What is let in takes the room until a checkpoint knows better: the next one waits for that.
  const commits = Array.from({ length: 40 }, (_, at) => store.commit([put('a', 5 * KiB + at)], false));
  await settled(Promise.all(commits));
  t.is((await store.getRecord(Buffer.from('a')))?.length, 5 * KiB + 39);
  await settled(pool.checkpoint());
  t.is((await store.getRecord(Buffer.from('a')))?.length, 5 * KiB + 39);
  await settled(pool.close());
});
