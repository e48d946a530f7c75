import { errorKindOf, KiB, MiB, type ObjectId, type ObjectStore, type StoreId } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { fill } from './space-tests.ts';
import { mixed, noise, readObject, type StoreRun, type StoreTest } from './subject.ts';

const capacityBytes = 16 * MiB;
const reservedBytes = 4 * MiB;

type Other = { readonly storeId: StoreId; readonly store: ObjectStore; readonly object: ObjectId };

/** A second volume of the pool, larger than that has room for. */
async function makeOther({ pool }: StoreRun): Promise<Other> {
  const storeId = await pool.createStore();
  const store = await pool.openStore(storeId);
  return { storeId, store, object: await store.create(4 * capacityBytes, 'off') };
}

/** Every block of the reserved room, by small writes and large ones. */
async function writeAll(store: ObjectStore, object: ObjectId, seed: number): Promise<void> {
  for (let at = 0; at < reservedBytes; at += 512 * KiB) {
    await store.write(object, at, mixed(seed + at, 256 * KiB), false);
    for (let small = at + 256 * KiB; small < at + 512 * KiB; small += 16 * KiB) {
      await store.write(object, small, mixed(seed + small, 16 * KiB), false);
    }
  }
}

async function isAll(t: ExecutionContext, store: ObjectStore, object: ObjectId, seed: number): Promise<void> {
  for (let at = 0; at < reservedBytes; at += 512 * KiB) {
    sameBytes(t, mixed(seed + at, 256 * KiB), await readObject(store, object, at, 256 * KiB), `at ${at}`);
  }
}

/** A pool's capacity, and room that is kept for one of its stores. */
export function reservationTests(check: StoreTest): void {
  check('above its capacity new room is refused as no-space and everything else goes on', async (t, run) => {
    const store = await run.start();
    await run.pool.setCapacity(capacityBytes);
    const object = await store.create(4 * capacityBytes, 'off');
    const count = await fill(store, object, 200, noise);
    t.true(count > 8 && count <= capacityBytes / MiB, `${count} MiB went in`);
    const { usedBytes, availableBytes, ...status } = await run.pool.status();
    t.is(status.capacityBytes, capacityBytes);
    t.is(status.state, 'ok');
    t.true(usedBytes <= capacityBytes && availableBytes < MiB, `${usedBytes} used, ${availableBytes} available`);
    await store.write(object, 8192, pattern(1, 4096), true);
    await store.trim(object, MiB, 4 * MiB, false);
    await store.sync();
    sameBytes(t, noise(count - 1, 4096), await readObject(store, object, (count - 1) * MiB, 4096), 'a read');
    for (let index = 1; index < 4; index += 1) await store.write(object, index * MiB, pattern(index, MiB), false);
    await run.pool.setCapacity(undefined);
    await store.write(object, 3 * capacityBytes, pattern(2, 4 * MiB), false);
    sameBytes(t, pattern(2, 4 * MiB), await readObject(store, object, 3 * capacityBytes, 4 * MiB), 'beyond it');
  });

  check('a store that room is kept for goes on writing while another is refused', async (t, run) => {
    const store = await run.start();
    await run.pool.setCapacity(capacityBytes);
    const object = await store.create(2 * reservedBytes, 'off');
    await run.pool.reserve(run.storeId, reservedBytes, true);
    const { store: other, object: large } = await makeOther(run);
    const count = await fill(other, large, 200, noise);
    t.true(count > 4 && count <= (capacityBytes - reservedBytes) / MiB, `${count} MiB went in`);
    await failsWith(t, 'no-space', async () => other.write(large, 3 * capacityBytes, pattern(1, MiB), false));
    await writeAll(store, object, 1);
    await isAll(t, store, object, 1);
    await failsWith(t, 'no-space', async () => store.write(object, reservedBytes, pattern(1, 4 * MiB), false));
    await run.pool.reserve(run.storeId, 0, true);
    t.is((await run.pool.status()).reservedBytes, 0);
  });

  check(
    'a reservation that does not fit is refused with the numbers, and one that stood before is not',
    async (t, run) => {
      await run.start();
      await run.pool.setCapacity(capacityBytes);
      const { storeId } = await makeOther(run);
      await run.pool.reserve(run.storeId, 12 * MiB, true);
      const needed = run.subject.isOnDevice === true ? '5' : '5\\.04';
      await t.throwsAsync(async () => run.pool.reserve(storeId, 5 * MiB, true), {
        message: new RegExp(
          `^a reservation of 5 MiB does not fit: it needs ${needed} MiB, and the pool has [\\d.]+ MiB free, of which 12 MiB are reserved$`,
        ),
      });
      t.is((await run.pool.status()).reservedBytes, 12 * MiB);
      await run.pool.reserve(storeId, MiB, true);
      await run.pool.reserve(storeId, 5 * MiB, false);
      t.is((await run.pool.status()).reservedBytes, 17 * MiB);
      await run.pool.reserve(storeId, MiB, true);
      const { reservedBytes: kept, availableBytes, usedBytes } = await run.pool.status();
      // Less what the host may take for its own maps of what is reserved.
      const least = 3 * MiB - usedBytes - 128 * KiB;
      t.true(kept === 13 * MiB && availableBytes >= least && availableBytes <= 3 * MiB - usedBytes);
    },
  );

  snapshotTests(check);
}

function snapshotTests(check: StoreTest): void {
  check(
    'what a snapshot has is kept for again: the volume can be written over wholly, or there is no snapshot',
    async (t, run) => {
      const store = await run.start();
      await run.pool.setCapacity(capacityBytes);
      const object = await store.create(reservedBytes, 'off');
      await run.pool.reserve(run.storeId, reservedBytes, true);
      await writeAll(store, object, 1);
      const snapshot = await store.snapshot();
      t.is((await run.pool.status()).reservedBytes, reservedBytes);
      const { store: other, object: large } = await makeOther(run);
      const count = await fill(other, large, 200, noise);
      // What the snapshot has takes less where it is compressed.
      const takenBytes = run.subject.isCompressed === true ? reservedBytes / 2 : reservedBytes;
      t.true(count <= (capacityBytes - takenBytes - reservedBytes) / MiB, `${count} MiB went in`);
      await writeAll(store, object, 5);
      await isAll(t, store, object, 5);
      t.is(await kindOf(() => store.snapshot()), 'no-space');
      await store.deleteSnapshot(snapshot);
      await other.trim(large, 0, 4 * capacityBytes, false);
      await until(async () => (await kindOf(() => store.snapshot())) === undefined);
      await isAll(t, store, object, 5);
    },
  );

  check(
    'a reservation outlives clones, rollback and deletion of the others, and goes with its store',
    async (t, run) => {
      const store = await run.start();
      await run.pool.setCapacity(capacityBytes);
      const object = await store.create(reservedBytes, 'off');
      await store.write(object, 0, pattern(1, 2 * MiB), false);
      await run.pool.reserve(run.storeId, reservedBytes, true);
      const snapshot = await store.snapshot();
      await store.write(object, 0, pattern(2, MiB), false);
      const clone = await run.pool.cloneStore(run.storeId, snapshot);
      await store.close();
      await run.pool.rollBack(run.storeId, snapshot);
      t.is((await run.pool.status()).reservedBytes, reservedBytes);
      await run.pool.deleteStore(clone);
      const again = await run.pool.openStore(run.storeId);
      const { store: other, object: large } = await makeOther(run);
      await fill(other, large, 200, noise);
      await writeAll(again, object, 7);
      await isAll(t, again, object, 7);
      await again.deleteSnapshot(snapshot);
      await again.close();
      await run.pool.deleteStore(run.storeId);
      t.is((await run.pool.status()).reservedBytes, 0);
    },
  );
}

async function kindOf(operation: () => unknown): Promise<string | undefined> {
  try {
    await operation();
    return undefined;
  } catch (error) {
    return errorKindOf(error);
  }
}

/** What comes back in the background does so by and by. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}
