import { MiB, systemStore, type ObjectStore } from '@ashlar/core';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { readObject, recordIn, text, type StoreTest } from './subject.ts';

/** Opening, closing, killing, losing power; positions and syncs. */
export function lifeTests(check: StoreTest): void {
  check('a pool has its system store from the start and lists those that were made', async (t, run) => {
    await run.start();
    const second = await run.pool.createStore();
    t.deepEqual([...(await run.pool.listStores())].toSorted(), [systemStore, run.storeId, second].toSorted());
    const system = await run.pool.openStore(systemStore);
    await system.commit([{ key: text('a'), value: text('b') }], true);
    t.is(await recordIn(system, 'a'), 'b');
  });

  check('a store is opened once at a time', async (t, run) => {
    const store = await run.start();
    await failsWith(t, 'busy', () => run.pool.openStore(run.storeId));
    await failsWith(t, 'busy', () => run.pool.deleteStore(run.storeId));
    const object = await store.create(4096, 'off');
    await store.write(object, 0, pattern(1, 4096), false);
    await store.close();
    const again = await run.pool.openStore(run.storeId);
    sameBytes(t, pattern(1, 4096), await readObject(again, object, 0, 4096), 'after opening again');
  });

  check('a store that is not there is not-found, and a number never comes again', async (t, run) => {
    const store = await run.start();
    await store.close();
    await run.pool.deleteStore(run.storeId);
    await failsWith(t, 'not-found', () => run.pool.openStore(run.storeId));
    await failsWith(t, 'not-found', () => run.pool.deleteStore(run.storeId));
    t.false((await run.pool.listStores()).includes(run.storeId));
    const pool = await run.fixture.reopen();
    t.not(await pool.createStore(), run.storeId);
    await pool.close();
  });

  check('a pool is opened once at a time', async (t, run) => {
    await run.start();
    const { openSecond } = run.fixture;
    if (openSecond === undefined) return void t.pass();
    await failsWith(t, 'busy', openSecond);
  });

  check('closing the pool closes its stores and everything is there again', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    await store.write(object, 100, pattern(1, 500_000), false);
    await store.commit([{ key: text('k'), value: text('v') }], false);
    const again = await run.reopen();
    await failsWith(t, 'closed', () => store.read(object, 0, new Uint8Array(1)));
    sameBytes(t, pattern(1, 500_000), await readObject(again, object, 100, 500_000), 'the object');
    t.is(await recordIn(again, 'k'), 'v');
    t.is((await run.pool.status()).state, 'ok');
  });

  check('the position goes up with each change and stays through opening again', async (t, run) => {
    const store = await run.start();
    const before = store.position.sequence;
    const object = await store.create(MiB, 'off');
    await store.write(object, 0, pattern(1, 4096), false);
    await store.commit([{ key: text('k'), value: text('v') }], false);
    const after = store.position.sequence;
    t.true(after >= before + 3);
    await store.read(object, 0, new Uint8Array(10));
    await store.sync();
    t.is(store.position.sequence, after);
    const again = await run.reopen();
    t.true(again.position.sequence >= after);
    t.is(again.lossGeneration, store.lossGeneration);
  });

  check('many waiting syncs cost few', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    const before = (await run.pool.status()).syncs;
    const work: (void | Promise<void>)[] = [];
    for (let index = 0; index < 50; index += 1) {
      work.push(store.write(object, index * 4096, pattern(index, 4096), index % 2 === 0));
      work.push(store.sync());
    }
    await Promise.all(work);
    const { syncs } = await run.pool.status();
    const most = run.subject.past === 'snapshots' ? 24 : 12;
    t.true(syncs - before <= most, `${syncs - before} syncs for 100 waiting`);
  });

  check('a killed process loses nothing that had settled', async (t, run) => {
    const store = await run.start();
    const object = await fillSome(store);
    const again = await run.kill();
    if (again === undefined) return void t.pass();
    await checkSome(again, object, (what, expected, found) => sameBytes(t, expected, found, what));
    t.is(again.lossGeneration, store.lossGeneration);
  });

  check('a loss of power loses nothing that a sync covered', async (t, run) => {
    const store = await run.start();
    const object = await fillSome(store);
    await store.sync();
    const again = await run.losePower();
    if (again === undefined) return void t.pass();
    await checkSome(again, object, (what, expected, found) => sameBytes(t, expected, found, what));
  });

  check('a loss of power loses nothing that was durable', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    await store.write(object, 0, pattern(1, 1000), false);
    await store.write(object, 256 * 1024, pattern(2, 100_000), true);
    const again = await run.losePower();
    if (again === undefined) return void t.pass();
    sameBytes(t, pattern(1, 1000), await readObject(again, object, 0, 1000), 'what came before it in the sequence');
    sameBytes(t, pattern(2, 100_000), await readObject(again, object, 256 * 1024, 100_000), 'the durable write');
  });
}

async function fillSome(store: ObjectStore): Promise<number> {
  const object = await store.create(4 * MiB, 'off');
  await store.write(object, 0, pattern(1, MiB), false);
  await store.write(object, 2 * MiB + 5, pattern(2, 5000), false);
  await store.trim(object, 65_536, 65_536, false);
  await store.zero(object, 8192, 100, true, false);
  await store.commit([{ key: text('k'), value: text('v') }], false);
  await store.truncate(object, 3 * MiB);
  return object;
}

async function checkSome(
  store: ObjectStore,
  object: number,
  same: (what: string, expected: Uint8Array, found: Uint8Array) => void,
): Promise<void> {
  const expected = new Uint8Array(3 * MiB);
  expected.set(pattern(1, MiB));
  expected.set(pattern(2, 5000), 2 * MiB + 5);
  expected.fill(0, 65_536, 131_072);
  expected.fill(0, 8192, 8292);
  same('the object', expected, await readObject(store, object, 0, 3 * MiB));
  same('the record', text('v'), (await store.getRecord(text('k'))) ?? new Uint8Array(0));
}
