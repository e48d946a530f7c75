import { KiB, MiB, type Extent, type ObjectId, type ObjectStore } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { SeededRandom } from '../seeded-random.ts';
import { readObject, type StoreRun, type StoreTest } from './subject.ts';

async function allExtents(store: ObjectStore, object: ObjectId): Promise<readonly Extent[]> {
  return await store.extents(object, 0, store.sizeOf(object), 100_000);
}

function stateAt(extents: readonly Extent[], offset: number): string | undefined {
  return extents.find((extent) => offset >= extent.offset && offset < extent.offset + extent.length)?.state;
}

/** What the store says of an object's space is its data and reserved zeros, in whole blocks of 4 KiB; less where it is compressed. */
async function checkSpace(t: ExecutionContext, run: StoreRun, store: ObjectStore, object: ObjectId): Promise<number> {
  const extents = await allExtents(store, object);
  let held = 0;
  for (const { offset, length, state } of extents) {
    if (state === 'hole') continue;
    held += Math.ceil((offset + length) / 4096) * 4096 - Math.floor(offset / 4096) * 4096;
  }
  const { allocatedBytes, exclusiveBytes, ...space } = await store.spaceOf(object);
  t.deepEqual(space, {
    virtualBytes: store.sizeOf(object),
    sharedBytes: allocatedBytes - exclusiveBytes,
    uncompressedBytes: held,
  });
  if (run.subject.isCompressed !== true) t.is(allocatedBytes, held);
  if (run.subject.past !== 'snapshots') t.is(exclusiveBytes, allocatedBytes);
  return held;
}

/** Trim, zero, extents, preallocation, accounting, and a full disk. */
export function spaceTests(check: StoreTest): void {
  check('trimmed and zeroed ranges read as zeros and their neighbours stay', async (t, run) => {
    const store = await run.start();
    const object = await store.create(2 * MiB, 'off');
    const model = pattern(3, 2 * MiB);
    await store.write(object, 0, model, false);
    const random = new SeededRandom(9);
    for (let round = 0; round < 40; round += 1) {
      const offset = random.below(2 * MiB - 1);
      const length = Math.min(1 + random.below(random.pick([10, 5000, 300_000])), 2 * MiB - offset);
      if (random.oneIn(2)) await store.trim(object, offset, length, random.oneIn(5));
      else await store.zero(object, offset, length, random.oneIn(2), random.oneIn(5));
      model.fill(0, offset, offset + length);
      sameBytes(t, model, await readObject(store, object, 0, 2 * MiB), `${length} at ${offset}`);
    }
    sameBytes(t, model, await readObject(await run.reopen(), object, 0, 2 * MiB), 'after opening again');
  });

  check('extents tell data, kept zeros and holes, and stop at their limit', async (t, run) => {
    const store = await run.start();
    const object = await store.create(4 * MiB, 'off');
    await store.write(object, 0, pattern(1, 2 * MiB), false);
    await store.trim(object, MiB, 512 * KiB, false);
    await store.zero(object, 3 * MiB, 64 * KiB, true, false);
    const expected = [
      { offset: 0, length: MiB, state: 'data' },
      { offset: MiB, length: 512 * KiB, state: 'hole' },
      { offset: 1.5 * MiB, length: 512 * KiB, state: 'data' },
      { offset: 2 * MiB, length: MiB, state: 'hole' },
      { offset: 3 * MiB, length: 64 * KiB, state: 'zero' },
      { offset: 3 * MiB + 64 * KiB, length: MiB - 64 * KiB, state: 'hole' },
    ];
    t.deepEqual(await store.extents(object, 0, 4 * MiB, 100), expected);
    t.deepEqual(await store.extents(object, 0, 4 * MiB, 2), expected.slice(0, 2));
    t.deepEqual(await store.extents(object, MiB + 7, 100, 1), [{ offset: MiB + 7, length: 100, state: 'hole' }]);
    const again = await run.reopen();
    t.deepEqual(await again.extents(object, 0, 4 * MiB, 100), expected);
  });

  check('space is exact at 4 KiB through writes, trims, zeros and sizes', async (t, run) => {
    const store = await run.start();
    const object = await store.create(3 * MiB, 'off');
    t.is(await checkSpace(t, run, store, object), 0);
    await store.write(object, 4096, pattern(1, 4096), false);
    t.is(await checkSpace(t, run, store, object), 4096);
    await store.write(object, 5000, pattern(1, 4096), false);
    t.is(await checkSpace(t, run, store, object), 8192);
    await store.write(object, MiB, pattern(1, 256 * KiB), false);
    t.is(await checkSpace(t, run, store, object), 8192 + 256 * KiB);
    await store.trim(object, MiB + 4096, 8192, false);
    t.is(await checkSpace(t, run, store, object), 256 * KiB);
    await store.zero(object, 2 * MiB, 64 * KiB, true, false);
    t.is(await checkSpace(t, run, store, object), 320 * KiB);
    await store.truncate(object, MiB);
    t.is(await checkSpace(t, run, store, object), 8192);
    await store.sync();
    const again = await run.reopen();
    t.is(await checkSpace(t, run, again, object), 8192);
  });

  check(
    'blocks of zeros that are written are a hole and give their room back, whatever the size of the write',
    async (t, run) => {
      const store = await run.start();
      const object = await store.create(4 * MiB, 'off');
      await store.write(object, 0, new Uint8Array(3 * MiB), false);
      t.is(await checkSpace(t, run, store, object), 0);
      const model = pattern(1, 4 * MiB);
      await store.write(object, 0, model, false);
      const zero = async (offset: number, length: number): Promise<void> => {
        await store.write(object, offset, new Uint8Array(length), false);
        model.fill(0, offset, offset + length);
      };
      await zero(4096, 4096);
      await zero(64 * KiB - 100, 8192);
      await zero(MiB, 512 * KiB);
      t.is(await checkSpace(t, run, store, object), 4 * MiB - 8192 - 512 * KiB);
      // Every other block of a large write, and the rest of one that was zeros in part.
      for (let at = 2 * MiB; at < 3 * MiB; at += 8192) model.fill(0, at, at + 4096);
      await store.write(object, 2 * MiB, model.subarray(2 * MiB, 3 * MiB), false);
      await zero(64 * KiB - 4096, 4096 - 100);
      const left = 4 * MiB - 12_288 - MiB;
      t.is(await checkSpace(t, run, store, object), left);
      sameBytes(t, model, await readObject(store, object, 0, 4 * MiB), 'before opening again');
      const again = await run.reopen();
      t.is(await checkSpace(t, run, again, object), left);
      sameBytes(t, model, await readObject(again, object, 0, 4 * MiB), 'after opening again');
    },
  );

  check('zeros that are written to a preallocated object keep their room', async (t, run) => {
    let store = await run.start();
    const object = await store.create(MiB, 'falloc');
    await store.write(object, 0, pattern(1, MiB), false);
    for (const offset of [0, 128 * KiB]) {
      await store.write(object, offset, new Uint8Array(100 * KiB), true);
      t.is(await checkSpace(t, run, store, object), MiB);
      store = await run.reopen();
      t.is(await checkSpace(t, run, store, object), MiB);
    }
  });

  check('random histories keep the accounting exact, and deletion gives it all back', async (t, run) => {
    let store = await run.start();
    const object = await store.create(2 * MiB, 'off');
    const random = new SeededRandom(4);
    for (let round = 0; round < 60; round += 1) {
      const offset = random.below(2 * MiB);
      const length = Math.min(random.below(random.pick([5000, 20_000, 200_000])), 2 * MiB - offset);
      if (random.oneIn(3)) await store.trim(object, offset, length, false);
      else if (random.oneIn(4)) await store.zero(object, offset, length, random.oneIn(2), false);
      else await store.write(object, offset, pattern(round, length), false);
      await checkSpace(t, run, store, object);
      if (random.oneIn(15)) store = await run.reopen();
    }
    const before = await store.space();
    const { allocatedBytes } = await store.spaceOf(object);
    t.is(before.allocatedBytes, allocatedBytes);
    await store.delete(object);
    t.like(await store.space(), { virtualBytes: 0, allocatedBytes: 0, exclusiveBytes: 0, sharedBytes: 0 });
  });

  for (const [preallocation, state] of [
    ['off', 'hole'],
    ['falloc', 'zero'],
    ['full', 'data'],
  ] as const) {
    check(`an object preallocated '${preallocation}' begins as ${state}`, async (t, run) => {
      const store = await run.start();
      const object = await store.create(MiB, preallocation);
      t.deepEqual(await allExtents(store, object), [{ offset: 0, length: MiB, state }]);
      t.is(await checkSpace(t, run, store, object), preallocation === 'off' ? 0 : MiB);
      sameBytes(t, new Uint8Array(MiB), await readObject(store, object, 0, MiB), 'its bytes');
      await store.write(object, 64 * KiB, pattern(1, 4096), false);
      t.is(stateAt(await allExtents(store, object), 64 * KiB), 'data');
      t.is(await checkSpace(t, run, store, object), preallocation === 'off' ? 4096 : MiB);
    });
  }

  fullDiskTests(check);
}

const roomBytes = 96 * MiB;

/** Writes 1 MiB after 1 MiB until there is no room; gives how many went in. */
export async function fill(store: ObjectStore, object: ObjectId, most: number, bytesOf = pattern): Promise<number> {
  for (let index = 0; index < most; index += 1) {
    try {
      await store.write(object, index * MiB, bytesOf(index, MiB), false);
    } catch (error) {
      if ((error as { kind?: string }).kind === 'no-space') return index;
      throw error;
    }
  }
  return most;
}

function fullDiskTests(check: StoreTest): void {
  check('on a full disk new room is refused as no-space and everything else goes on', async (t, run) => {
    if (run.subject.createLimited === undefined) return void t.pass();
    const store = await run.start(roomBytes);
    const object = await store.create(4 * roomBytes, 'off');
    const count = await fill(store, object, 300);
    const { isCompressed = false, isOnDevice = false, past } = run.subject;
    if (isOnDevice && past === undefined) t.is(count, roomBytes / MiB);
    else t.true(count > 4 && (isCompressed || count < roomBytes / MiB), `${count} MiB went in`);
    for (let index = 0; index < Math.min(count, 8); index += 1) {
      await store.write(object, index * MiB + 8192, pattern(200 + index, 4096), index % 2 === 0);
      const found = await readObject(store, object, index * MiB + 8192, 4096);
      sameBytes(t, pattern(200 + index, 4096), found, `overwritten ${index}`);
    }
    await store.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(2) }], true);
    await store.sync();
    sameBytes(t, pattern(count - 1, 4096), await readObject(store, object, (count - 1) * MiB, 4096), 'a read');
  });

  check('when room returns on a full disk writes go in again, and nothing was lost', async (t, run) => {
    if (run.subject.createLimited === undefined) return void t.pass();
    const store = await run.start(roomBytes);
    const object = await store.create(4 * roomBytes, 'off');
    const count = await fill(store, object, 300);
    await store.trim(object, 0, 8 * MiB, false);
    await store.sync();
    const again = await run.reopen();
    const other = await again.create(16 * MiB, 'off');
    t.true((await fill(again, other, 4)) >= 4, 'room for 4 MiB came back');
    for (let index = 8; index < count; index += 1) {
      sameBytes(t, pattern(index, MiB), await readObject(again, object, index * MiB, MiB), `MiB ${index}`);
    }
  });

  check('a preallocated object can be written on a full disk', async (t, run) => {
    if (run.subject.createLimited === undefined) return void t.pass();
    const store = await run.start(roomBytes);
    const kept = await store.create(4 * MiB, 'falloc');
    const object = await store.create(4 * roomBytes, 'off');
    await fill(store, object, 300);
    for (let at = 0; at < 4 * MiB; at += 256 * KiB) await store.write(kept, at, pattern(at, 64 * KiB), false);
    await store.sync();
    for (let at = 0; at < 4 * MiB; at += 256 * KiB) {
      sameBytes(t, pattern(at, 64 * KiB), await readObject(store, kept, at, 64 * KiB), `at ${at}`);
    }
    await failsWith(t, 'no-space', () => store.create(roomBytes, 'falloc'));
  });
}
