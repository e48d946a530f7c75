import { KiB } from '@ashlar/core';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool, type PoolOptions } from './pool.ts';

const block = (byte: number): Uint8Array => new Uint8Array(4096).fill(byte);

test('a block that only a snapshot has any more is damaged in the journal: it is counted, the check tells it, and a scrub finds it', async (t) => {
  // One in which no checkpoint comes in between.
  const machine = new SimulatedMachine(5);
  machine.makeDurableDirectory('/pool');
  const options = (): PoolOptions => ({ chunkSizeBytes: 64 * KiB, openRecords: () => machine.openRecords() });
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(operation);
  const pool = await settled(openPool(machine.host, '/pool', options()));
  const id = await settled(pool.createStore());
  const store = await pool.openStore(id);
  const object = await settled(store.create(64 * KiB, 'off'));
  await settled(store.write(object, 8192, block(1), true));
  const snapshot = await settled(store.snapshot());
  for (const byte of [2, 3]) await settled(store.write(object, 8192, block(byte), true));
  machine.crash(false);

  const inspect = (): PoolInspection => PoolInspection.open(machine.host, '/pool', options());
  const before = inspect();
  const [frame] = [...(await settled(before.journal())).frames()].filter(({ dataBlocks }) => dataBlocks > 0);
  await settled(before.close());
  machine.flipBit(frame!.segment, frame!.offset + frame!.headerBytes + 100);
  const after = inspect();
  const { damage, snapshotDamage } = await settled(after.check());
  await settled(after.close());
  t.deepEqual(damage, []);
  t.deepEqual(snapshotDamage, [{ store: id, object, snapshot, damage: [{ offset: 8192, length: 4096 }] }]);

  const again = await settled(openPool(machine.host, '/pool', options()));
  t.is((await again.status()).corruptBlocks, 1);
  const reopened = await again.openStore(id);
  const view = reopened.openSnapshot(snapshot);
  await failsWith(t, 'corrupt', () => settled(view.read(object, 8192, block(0))));
  const live = block(0);
  await settled(reopened.read(object, 8192, live));
  t.deepEqual(live, block(3));
  await settled(again.scrub({ action: 'start' }));
  for (;;) {
    const { state, findings } = await settled(again.scrub({ action: 'status' }));
    if (state === 'running') await machine.step();
    else {
      t.deepEqual(findings, [{ store: id, object, snapshot, offset: 8192, length: 4096 }]);
      break;
    }
  }
  view.close();
  await settled(again.close());
});
