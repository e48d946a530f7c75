import { setTimeout as sleep } from 'node:timers/promises';
import { errorKindOf, GiB, KiB, MiB, type ObjectStore, type StoreId } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { SeededRandom } from '../seeded-random.ts';
import { mixed, readObject, recordIn, text, type StoreRun, type StoreTest } from './subject.ts';

const sizeBytes = 4 * MiB;

/** Flattens a clone to the end; `between` is run behind each step. */
async function flatten(run: StoreRun, store: StoreId, between: () => Promise<void> = async () => {}): Promise<void> {
  for (;;) {
    const { isDone } = await run.pool.flatten(store);
    await between();
    if (isDone) return;
  }
}

/** Whether there was room for all of it. */
async function isFlattened(run: StoreRun, store: StoreId): Promise<boolean> {
  try {
    await flatten(run, store);
    return true;
  } catch (error) {
    if (errorKindOf(error) !== 'no-space') throw error;
    return false;
  }
}

/** A clone of a volume with that much in it, and what both have. */
async function cloned(
  run: StoreRun,
  store: ObjectStore,
  size: number,
): Promise<{ object: number; snapshot: number; cloneId: StoreId; clone: ObjectStore; bytes: Uint8Array }> {
  const object = await store.create(size, 'off');
  const bytes = mixed(1, size);
  await store.write(object, 0, bytes, false);
  const snapshot = await store.snapshot();
  const cloneId = await run.pool.cloneStore(run.storeId, snapshot);
  return { object, snapshot, cloneId, clone: await run.pool.openStore(cloneId), bytes };
}

/** Changes a volume and what it is to have. */
async function change(store: ObjectStore, object: number, bytes: Uint8Array, random: SeededRandom): Promise<void> {
  const length = random.pick([4096, 20_000, 100 * KiB]);
  const offset = random.below(bytes.length - length);
  const kind = random.below(4);
  if (kind === 0) await store.trim(object, offset, length, false);
  else if (kind === 1) await store.zero(object, offset, length, true, false);
  else await store.write(object, offset, pattern(random.below(1000), length), false);
  bytes.set(await readObject(store, object, offset, length), offset);
}

async function sameClone(t: ExecutionContext, clone: ObjectStore, object: number, bytes: Uint8Array): Promise<void> {
  sameBytes(t, bytes, await readObject(clone, object, 0, bytes.length), 'the clone');
}

/** Clones that become volumes of their own. */
export function flattenTests(check: StoreTest): void {
  check('a clone that is flattened has the same, all of it its own, and its origin can go', async (t, run) => {
    const store = await run.start();
    const { object, snapshot, cloneId, clone, bytes } = await cloned(run, store, sizeBytes);
    await clone.write(object, 5000, pattern(2, 20_000), false);
    await clone.trim(object, MiB, 300 * KiB, false);
    await clone.zero(object, 2 * MiB, 300 * KiB, true, false);
    bytes.set(pattern(2, 20_000), 5000);
    bytes.fill(0, MiB, MiB + 300 * KiB);
    bytes.fill(0, 2 * MiB, 2 * MiB + 300 * KiB);
    const before = await clone.space();
    await failsWith(t, 'busy', () => store.deleteSnapshot(snapshot));
    await flatten(run, cloneId);
    await sameClone(t, clone, object, bytes);
    const { uncompressedBytes } = before;
    const { allocatedBytes } = await clone.space();
    // What was journaled may be compressed now.
    if (run.subject.isCompressed === true) t.true(allocatedBytes <= before.allocatedBytes);
    else t.is(allocatedBytes, before.allocatedBytes);
    t.like(await clone.space(), { uncompressedBytes, exclusiveBytes: allocatedBytes, sharedBytes: 0 });
    await store.close();
    await run.pool.deleteStore(run.storeId);
    const pool = await run.fixture.reopen();
    const again = await pool.openStore(cloneId);
    await sameClone(t, again, object, bytes);
    t.like(await again.space(), { allocatedBytes, exclusiveBytes: allocatedBytes });
  });

  check('a clone is told the records of its origin as they are, open or not, until it is flat', async (t, run) => {
    const store = await run.start();
    await store.commit([{ key: text('a'), value: text('1') }], false);
    const { cloneId, snapshot } = await cloned(run, store, sizeBytes);
    await store.commit([{ key: text('b'), value: text('2') }], true);
    await store.close();
    await run.reopen();
    const clone = await run.pool.openStore(cloneId);
    t.is(await recordIn(clone, 'a'), undefined);
    t.is(clone.origin!.snapshot, snapshot);
    t.is(await recordIn(clone.origin!, 'b'), '2');
    const found = await clone.origin!.scanRecords(text('a'), text('c'), 10);
    t.deepEqual(
      found.map(({ key }) => Buffer.from(key).toString()),
      ['a', 'b'],
    );
    await flatten(run, cloneId);
    t.is(clone.origin, undefined);
  });

  check('a clone is read and written while it is flattened', async (t, run) => {
    const store = await run.start();
    const { object, snapshot, cloneId, clone, bytes } = await cloned(run, store, 24 * MiB);
    const random = new SeededRandom(1);
    let steps = 0;
    await flatten(run, cloneId, async () => {
      steps += 1;
      for (let count = 0; count < 5; count += 1) await change(clone, object, bytes, random);
      await sameClone(t, clone, object, bytes);
    });
    t.true(steps > 1);
    await store.deleteSnapshot(snapshot);
    await store.trim(object, 0, 24 * MiB, false);
    await sameClone(t, clone, object, bytes);
  });

  check('what stops a flattening leaves a clone, and the next goes on with it', async (t, run) => {
    let store = await run.start();
    const { object, snapshot, cloneId, bytes } = await cloned(run, store, 24 * MiB);
    t.false((await run.pool.flatten(cloneId)).isDone);
    store = (await run.losePower()) ?? (await run.reopen());
    t.false((await run.pool.flatten(cloneId)).isDone);
    store = (await run.kill()) ?? (await run.reopen());
    await failsWith(t, 'busy', () => store.deleteSnapshot(snapshot));
    await flatten(run, cloneId);
    await store.deleteSnapshot(snapshot);
    store = (await run.losePower()) ?? (await run.reopen());
    await sameClone(t, await run.pool.openStore(cloneId), object, bytes);
  });

  check('a clone with snapshots is not flattened; one that is no clone is flat', async (t, run) => {
    const store = await run.start();
    const { cloneId, clone } = await cloned(run, store, sizeBytes);
    if (run.subject.past === undefined) t.true((await run.pool.flatten(run.storeId)).isDone);
    const snapshot = await clone.snapshot();
    await failsWith(t, 'busy', () => run.pool.flatten(cloneId));
    await clone.deleteSnapshot(snapshot);
    await flatten(run, cloneId);
    t.true((await run.pool.flatten(cloneId)).isDone);
  });

  check('a clone of a clone is flattened past both, and what it was cloned from still is a clone', async (t, run) => {
    const store = await run.start();
    const { object, snapshot, cloneId, clone, bytes } = await cloned(run, store, sizeBytes);
    const own = bytes.slice();
    own.set(pattern(2, 8192), MiB);
    await clone.write(object, MiB, pattern(2, 8192), false);
    const second = await clone.snapshot();
    const thirdId = await run.pool.cloneStore(cloneId, second);
    await flatten(run, thirdId);
    await clone.deleteSnapshot(second);
    await clone.trim(object, 0, sizeBytes, false);
    await clone.close();
    await run.pool.deleteStore(cloneId);
    await store.deleteSnapshot(snapshot);
    await store.trim(object, 0, sizeBytes, false);
    await run.reopen();
    const third = await run.pool.openStore(thirdId);
    await sameClone(t, third, object, own);
    t.deepEqual(
      (await third.depths(object, 0, sizeBytes, 100)).map(({ depth }) => depth),
      [1],
    );
  });

  check('a full disk ends a flattening with no-space, and the clone goes on', async (t, run) => {
    if (run.subject.createLimited === undefined) {
      t.pass();
      return;
    }
    const store = await run.start(160 * MiB);
    const { object, snapshot, cloneId, clone, bytes } = await cloned(run, store, 48 * MiB);
    const filler = await store.create(GiB, 'off');
    const filling = mixed(9, MiB);
    await failsWith(t, 'no-space', async () => {
      for (let at = 0; at < GiB; at += MiB) await store.write(filler, at, filling, false);
    });
    await failsWith(t, 'no-space', () => flatten(run, cloneId));
    await sameClone(t, clone, object, bytes);
    await failsWith(t, 'busy', () => store.deleteSnapshot(snapshot));
    await store.delete(filler);
    // Its room comes back in the background.
    for (let tries = 0; tries < 500 && !(await isFlattened(run, cloneId)); tries += 1) await sleep(20);
    await store.deleteSnapshot(snapshot);
    await sameClone(t, clone, object, bytes);
  });
}
