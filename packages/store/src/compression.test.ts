import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compressions, KiB, MiB, type ObjectId, type ObjectStore, type ScrubReport, type StoreId } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, noise, sameBytes, SeededRandom } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { changeRecord, check, flip, slotOf } from './inspect/damaging.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool, type ChunkPool } from './pool.ts';
import { objectKey, type ObjectRecord } from './records/keys.ts';

const chunkBytes = 256 * KiB;
const blockBytes = 4096;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

type Made = {
  readonly path: string;
  readonly pool: ChunkPool;
  readonly storeId: StoreId;
  readonly store: ObjectStore;
  readonly object: ObjectId;
};

/** Lines of text, no two alike. */
function words(seed: number, length: number): Uint8Array {
  const random = new SeededRandom(seed);
  const text = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const number = random.below(1e9);
    const what = random.pick(['the slot', 'a volume', 'some blocks']);
    at += text.write(`${number} ${what} of chunk ${at}\n`, at, 'latin1');
  }
  return text;
}

async function make(t: ExecutionContext, cacheBytes = 16 * MiB): Promise<Made> {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-compression-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'pool');
  const pool = await openPool(createRealHost(), path, { ...options, cacheBytes });
  const storeId = await pool.createStore();
  await pool.setCompression(storeId, 'zstd');
  const store = await pool.openStore(storeId);
  return { path, pool, storeId, store, object: await store.create(8 * MiB, 'off') };
}

async function again(made: Made): Promise<Made> {
  await made.pool.close();
  const pool = await openPool(createRealHost(), made.path, options);
  return { ...made, pool, store: await pool.openStore(made.storeId) };
}

async function bytesOf({ store, object }: Made, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee);
  await store.read(object, offset, into);
  return into;
}

async function ended(pool: ChunkPool): Promise<ScrubReport> {
  for (;;) {
    const report = await pool.scrub({ action: 'status' });
    if (report.state !== 'running') return report;
    await delay(5);
  }
}

/** What `ashlar check` finds when the pool is closed. */
async function isWhole(t: ExecutionContext, { path, pool }: Made): Promise<void> {
  await pool.close();
  t.like(await check(path), { problemCount: 0, damage: [], snapshotDamage: [] });
}

test('text takes less room than it has, on the disk too, and is read back, warm and cold', async (t) => {
  const made = await make(t);
  const { pool, store, object, path } = made;
  const model = words(1, 4 * MiB);
  await store.write(object, 0, model, false);
  await pool.checkpoint();
  const { allocatedBytes, uncompressedBytes } = await store.spaceOf(object);
  t.is(uncompressedBytes, 4 * MiB);
  t.true(allocatedBytes < 2 * MiB, `${allocatedBytes} bytes`);
  t.deepEqual(await store.extents(object, 0, 8 * MiB, 10), [
    { offset: 0, length: 4 * MiB, state: 'data' },
    { offset: 4 * MiB, length: 4 * MiB, state: 'hole' },
  ]);
  sameBytes(t, model, await bytesOf(made, 0, 4 * MiB), 'warm');
  const [onDisk = 0] = execFileSync('du', ['-B1', '-s', join(path, 'data')], { encoding: 'utf8' })
    .split('\t')
    .map(Number);
  t.true(onDisk < 2 * MiB + 64 * KiB, `${onDisk} bytes on the disk`);
  const cold = await again(made);
  for (const [offset, length] of [
    [100, 1],
    [MiB - 1, 2],
    [2 * MiB + 5000, 70_000],
    [0, 4 * MiB],
  ] as const) {
    sameBytes(
      t,
      model.subarray(offset, offset + length),
      await bytesOf(cold, offset, length),
      `${length} at ${offset}`,
    );
  }
  await isWhole(t, cold);
});

test('a write larger than memory and journal for what is not home goes in, and is read back', async (t) => {
  const made = await make(t);
  const object = await made.store.create(48 * MiB, 'off');
  const model = words(16, 40 * MiB);
  await made.store.write(object, 4096, model, true);
  sameBytes(t, model, await bytesOf({ ...made, object }, 4096, 40 * MiB), 'all of it');
  await isWhole(t, made);
});

test('what does not compress is stored as it is', async (t) => {
  const made = await make(t);
  const { pool, store, object } = made;
  const model = noise(1, 2 * MiB);
  await store.write(object, 0, model, false);
  for (let at = 0; at < MiB; at += 16 * KiB) await store.write(object, at, model.subarray(at, at + 16 * KiB), false);
  await pool.checkpoint();
  t.like(await store.spaceOf(object), { allocatedBytes: 2 * MiB, uncompressedBytes: 2 * MiB });
  sameBytes(t, model, await bytesOf(made, 0, 2 * MiB), 'all of it');
  await isWhole(t, made);
});

for (const seed of [1, 2, 3]) {
  test(`what is written, trimmed and compressed anew is what was written, and takes no more than it has (${seed})`, async (t) => {
    let made = await make(t, 256 * KiB);
    const random = new SeededRandom(seed);
    const model = new Uint8Array(2 * MiB);
    for (let round = 1; round <= 150; round += 1) {
      const blocks = Math.min(random.pick([1, 1, 2, 8, 40, 100]), 512);
      const first = random.below(512 - blocks + 1);
      const [offset, length] = [first * blockBytes, blocks * blockBytes];
      if (random.oneIn(8)) {
        await made.store.trim(made.object, offset, length, false);
        model.fill(0, offset, offset + length);
      } else {
        const bytes = (random.oneIn(4) ? noise : words)(round, length);
        await made.store.write(made.object, offset, bytes, false);
        model.set(bytes, offset);
      }
      if (random.oneIn(3)) {
        await made.pool.checkpoint();
        const { allocatedBytes, uncompressedBytes } = await made.store.spaceOf(made.object);
        t.true(allocatedBytes <= uncompressedBytes, `${allocatedBytes} for ${uncompressedBytes}`);
      }
      if (random.oneIn(20)) made = await again(made);
      if (random.oneIn(5)) sameBytes(t, model, await bytesOf(made, 0, 2 * MiB), `round ${round}`);
    }
    sameBytes(t, model, await bytesOf(made, 0, 2 * MiB), 'in the end');
    await isWhole(t, made);
  });
}

test('blocks that are trimmed of what is compressed give room back when those left would take no more as they are', async (t) => {
  const made = await make(t);
  const { pool, store, object } = made;
  const model = words(2, chunkBytes);
  await store.write(object, 0, model, false);
  await pool.checkpoint();
  const before = (await store.spaceOf(object)).allocatedBytes;
  await store.trim(object, 4 * blockBytes, chunkBytes - 4 * blockBytes, false);
  await pool.checkpoint();
  const after = (await store.spaceOf(object)).allocatedBytes;
  t.true(after < before && after <= 4 * blockBytes, `${before}, then ${after}`);
  sameBytes(t, model.subarray(0, 4 * blockBytes), await bytesOf(made, 0, 4 * blockBytes), 'what is left');
  await store.trim(object, 0, chunkBytes, false);
  t.is((await store.spaceOf(object)).allocatedBytes, 0);
  await isWhole(t, made);
});

test('small writes that come one by one are compressed when there are enough of them', async (t) => {
  const made = await make(t);
  const { pool, store, object } = made;
  const model = words(3, chunkBytes);
  for (let block = 0; block < 64; block += 1) {
    const at = ((block * 37) % 64) * blockBytes;
    await store.write(object, at, model.subarray(at, at + blockBytes), false);
    if (block % 2 === 1) await pool.checkpoint();
  }
  const { allocatedBytes } = await store.spaceOf(object);
  t.true(allocatedBytes < chunkBytes / 2, `${allocatedBytes} bytes`);
  sameBytes(t, model, await bytesOf(made, 0, chunkBytes), 'all of it');
  await isWhole(t, made);
});

test('snapshots and clones share what is compressed, and it goes when the last of them goes', async (t) => {
  const made = await make(t);
  const { pool, store, storeId, object } = made;
  const model = words(4, MiB);
  await store.write(object, 0, model, false);
  const snapshot = await store.snapshot();
  await pool.checkpoint();
  const { allocatedBytes: taken } = await store.spaceOf(object);
  t.like(await store.spaceOf(object), { exclusiveBytes: 0, sharedBytes: taken });
  const clone = await pool.openStore(await pool.cloneStore(storeId, snapshot));
  await store.write(object, 0, words(5, blockBytes), false);
  await store.trim(object, chunkBytes, MiB - chunkBytes, false);
  await pool.checkpoint();
  const view = store.openSnapshot(snapshot);
  t.like(await view.spaceOf(object), { allocatedBytes: taken, uncompressedBytes: MiB });
  const into = new Uint8Array(MiB);
  await view.read(object, 0, into);
  sameBytes(t, model, into, 'the snapshot');
  await clone.read(object, 0, into);
  sameBytes(t, model, into, 'the clone');
  t.deepEqual(
    (await store.changesSince(object, snapshot, 0, MiB, 10)).map(({ length, isChanged }) => [length, isChanged]),
    [
      [blockBytes, true],
      [chunkBytes - blockBytes, false],
      [MiB - chunkBytes, true],
    ],
  );
  view.close();
  await isWhole(t, made);
});

test('a compressed piece that is damaged is an error for each of its blocks and no other, to readers, to check and to a scrub', async (t) => {
  const made = await make(t);
  const model = words(6, MiB);
  await made.store.write(made.object, 0, model, false);
  await made.pool.checkpoint();
  await made.store.write(made.object, chunkBytes, noise(2, blockBytes), false);
  await made.pool.close();
  const slot = await slotOf({ path: made.path, store: made.storeId }, made.object, 1);
  flip(join(made.path, 'data/000000'), slot * chunkBytes + 2 * blockBytes + 77);
  t.deepEqual((await check(made.path)).damage, [
    {
      store: made.storeId,
      object: made.object,
      damage: [{ offset: chunkBytes + blockBytes, length: chunkBytes - blockBytes }],
    },
  ]);
  const pool = await openPool(createRealHost(), made.path, options);
  const store = await pool.openStore(made.storeId);
  const damaged = { ...made, pool, store };
  sameBytes(t, noise(2, blockBytes), await bytesOf(damaged, chunkBytes, blockBytes), 'written over it');
  sameBytes(t, model.subarray(0, chunkBytes), await bytesOf(damaged, 0, chunkBytes), 'the chunk before');
  for (const block of [1, 2, 63]) {
    await failsWith(t, 'corrupt', () => store.read(made.object, chunkBytes + block * blockBytes, new Uint8Array(10)));
  }
  await pool.scrub({ action: 'start' });
  const { damagedBytes, findings } = await ended(pool);
  t.is(damagedBytes, chunkBytes - blockBytes);
  t.like(findings, [{ store: made.storeId, offset: chunkBytes + blockBytes, length: chunkBytes - blockBytes }]);
  // What is written over it is good again, and what is damaged stays so.
  await store.write(made.object, chunkBytes + 4 * blockBytes, words(7, 40 * blockBytes), false);
  await pool.checkpoint();
  sameBytes(t, words(7, 40 * blockBytes), await bytesOf(damaged, chunkBytes + 4 * blockBytes, 40 * blockBytes), 'new');
  await failsWith(t, 'corrupt', () => store.read(made.object, chunkBytes + 2 * blockBytes, new Uint8Array(10)));
  await pool.close();
});

test('compression that is turned off leaves what is compressed, and what is written then is not', async (t) => {
  const made = await make(t);
  const { pool, store, storeId, object } = made;
  const model = words(8, MiB);
  await store.write(object, 0, model, false);
  await pool.checkpoint();
  await pool.setCompression(storeId, 'off');
  const { allocatedBytes: before } = await store.spaceOf(object);
  const bytes = words(9, chunkBytes);
  await store.write(object, 2 * MiB, bytes, false);
  const next = await again(made);
  t.is((await next.store.spaceOf(object)).allocatedBytes, before + chunkBytes);
  sameBytes(t, model, await bytesOf(next, 0, MiB), 'compressed');
  sameBytes(t, bytes, await bytesOf(next, 2 * MiB, chunkBytes), 'as it is');
  await isWhole(t, next);
});

test('a pool says that it has compressed volumes from the first one on, and not before', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-compression-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'pool');
  const pool = await openPool(createRealHost(), path, options);
  const storeId = await pool.createStore();
  await pool.setCompression(storeId, 'off');
  const incompatible = (): number => readFileSync(join(path, 'ashlar.pool')).readUInt32LE(44);
  t.is(incompatible(), 0);
  await pool.setCompression(storeId, 'zstd');
  t.is(incompatible(), 1);
  await pool.setCompression(storeId, 'off');
  t.is(incompatible(), 1);
  await pool.close();
  await openPool(createRealHost(), path, options).then((opened) => opened.close());
});

test('a scrub reads what is compressed once and as it lies on the disk, whatever shares it', async (t) => {
  const made = await make(t);
  const { pool, store, storeId, object } = made;
  await store.write(object, 0, words(10, MiB), false);
  await pool.cloneStore(storeId, await store.snapshot());
  await pool.checkpoint();
  const { allocatedBytes } = await store.spaceOf(object);
  await store.write(object, chunkBytes, words(11, blockBytes), false);
  await pool.checkpoint();
  await pool.scrub({ action: 'start' });
  t.like(await ended(pool), { state: 'done', damagedBytes: 0, doneBytes: allocatedBytes + blockBytes });
  await isWhole(t, made);
});

for (const seed of [1, 2, 3]) {
  test(`a clone that is flattened while it is used has the same, compressed as before and all its own (${seed})`, async (t) => {
    const made = await make(t);
    const { pool, store, storeId, object } = made;
    const random = new SeededRandom(seed);
    const model = words(seed, 8 * MiB);
    await store.write(object, 0, model, false);
    const cloneId = await pool.cloneStore(storeId, await store.snapshot());
    const clone = { ...made, storeId: cloneId, store: await pool.openStore(cloneId) };
    const change = async (): Promise<void> => {
      const [offset, length] = [random.below(1900) * blockBytes, random.pick([1, 3, 50]) * blockBytes];
      const bytes = random.oneIn(4) ? new Uint8Array(length) : (random.oneIn(4) ? noise : words)(offset, length);
      if (random.oneIn(3)) await clone.store.zero(object, offset, length, random.oneIn(2), false);
      else await clone.store.write(object, offset, bytes, false);
      model.set(await bytesOf(clone, offset, length), offset);
    };
    for (let count = 0; count < 60; count += 1) await change();
    for (let isDone = false; !isDone; { isDone } = await pool.flatten(cloneId)) await change();
    sameBytes(t, model, await bytesOf(clone, 0, 8 * MiB), 'warm');
    const { allocatedBytes, exclusiveBytes, uncompressedBytes } = await clone.store.spaceOf(object);
    t.is(exclusiveBytes, allocatedBytes);
    t.true(allocatedBytes < uncompressedBytes * 0.8, `${allocatedBytes} of ${uncompressedBytes}`);
    await store.close();
    await pool.deleteStore(storeId);
    const cold = await again(clone);
    sameBytes(t, model, await bytesOf(cold, 0, 8 * MiB), 'cold');
    await isWhole(t, cold);
  });
}

for (const compression of compressions) {
  test(`what is damaged of a clone is counted by a flattening and stays an error (${compression})`, async (t) => {
    const made = await make(t);
    await made.pool.setCompression(made.storeId, compression);
    const model = words(12, MiB);
    await made.store.write(made.object, 0, model, false);
    const cloneId = await made.pool.cloneStore(made.storeId, await made.store.snapshot());
    await made.pool.close();
    const slot = await slotOf({ path: made.path, store: made.storeId }, made.object, 1);
    flip(join(made.path, 'data/000000'), slot * chunkBytes + 5);
    const pool = await openPool(createRealHost(), made.path, options);
    const clone = { ...made, pool, storeId: cloneId, store: await pool.openStore(cloneId) };
    // What is compressed is damaged as a whole.
    const length = compression === 'off' ? blockBytes : chunkBytes;
    t.like(await pool.flatten(cloneId), { isDone: true, damagedBytes: length });
    await failsWith(t, 'corrupt', () => bytesOf(clone, chunkBytes, 1));
    sameBytes(t, model.subarray(0, chunkBytes), await bytesOf(clone, 0, chunkBytes), 'the chunk before');
    await pool.close();
    const { damage } = await check(made.path);
    t.deepEqual(damage.find(({ store }) => store === cloneId)?.damage, [{ offset: chunkBytes, length }]);
  });
}

test('many snapshots of what is compressed are deleted, and the room of each comes back with the last who has it', async (t) => {
  const made = await make(t);
  const { pool, store, object } = made;
  const random = new SeededRandom(3);
  const model = words(13, MiB);
  await store.write(object, 0, model, false);
  for (let count = 0; count < 40; count += 1) {
    await store.snapshot();
    const offset = random.below(240) * blockBytes;
    const bytes = words(count, random.pick([1, 10, 16]) * blockBytes);
    await store.write(object, offset, bytes, false);
    model.set(bytes, offset);
    if (random.oneIn(3)) await pool.checkpoint();
  }
  for (const { id } of store.snapshots()) if (!random.oneIn(5)) await store.deleteSnapshot(id);
  for (let count = 0; count < 60; count += 1) await pool.checkpoint();
  sameBytes(t, model, await bytesOf(made, 0, MiB), 'with some snapshots');
  for (const { id } of store.snapshots()) await store.deleteSnapshot(id);
  for (let count = 0; count < 60; count += 1) await pool.checkpoint();
  const { allocatedBytes, exclusiveBytes } = await store.spaceOf(object);
  t.is(exclusiveBytes, allocatedBytes);
  const cold = await again(made);
  sameBytes(t, model, await bytesOf(cold, 0, MiB), 'with none');
  await isWhole(t, cold);
});

test('a volume that all its room is kept for is written over again and again, compressed or not, in a pool that is full', async (t) => {
  const made = await make(t);
  const { pool, store, storeId, object } = made;
  await pool.setCapacity(24 * MiB);
  await pool.reserve(storeId, 8 * MiB, true);
  const otherId = await pool.createStore();
  const other = await pool.openStore(otherId);
  const filler = await other.create(64 * MiB, 'off');
  await failsWith(t, 'no-space', async () => {
    for (let at = 0; at < 64 * MiB; at += MiB) await other.write(filler, at, noise(at, MiB), false);
  });
  const random = new SeededRandom(9);
  const model = new Uint8Array(8 * MiB);
  for (let round = 0; round < 600; round += 1) {
    const blocks = random.pick([1, 1, 4, 20, 64, 200]);
    const offset = random.below(2048 - blocks) * blockBytes;
    const bytes = (random.oneIn(3) ? noise : words)(round, blocks * blockBytes);
    await store.write(object, offset, bytes, false);
    model.set(bytes, offset);
  }
  sameBytes(t, model, await bytesOf(made, 0, 8 * MiB), 'all of it');
  await isWhole(t, made);
});

test('a count of what compression saves that is wrong is told and mended', async (t) => {
  const made = await make(t);
  await made.store.write(made.object, 0, words(14, MiB), false);
  await made.store.snapshot();
  await made.store.write(made.object, 0, words(15, 20 * blockBytes), false);
  await made.pool.close();
  const key = objectKey(made.storeId, made.object);
  await changeRecord<ObjectRecord>(made.path, key, (record) => ({ ...record, saved: (record.saved ?? 0) + 5 }));
  const { problems } = await check(made.path);
  t.deepEqual(
    problems.map(({ kind, mend }) => [kind, mend]),
    [['count-wrong', 'repair']],
  );
  t.regex(problems[0]!.sentence, /blocks saved by compression/);
  const inspection = PoolInspection.open(createRealHost(), made.path, { isAlone: true });
  const { after } = await inspection.repair();
  await inspection.close();
  t.deepEqual(after.problems, []);
});
