import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB, systemStore, type RecordStore } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { SeededRandom, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { blockSize } from '../checksum.ts';
import { openPool, type ChunkPool } from '../pool.ts';
import {
  bitmapKey,
  deadKey,
  commitKey,
  getPacked,
  keptKey,
  objectKey,
  opened,
  packedChange,
  poolKey,
  recordKey,
  sealed,
  storeKey,
  type DeadRecord,
  type ObjectRecord,
  type PoolRecord,
} from '../records/keys.ts';
import { openLmdb } from '../records/lmdb.ts';
import type { CheckOptions } from './check.ts';
import { SimulatedPool } from './damaged-pools.ts';
import { bytes, changeRecord, check, flip, kindsOf, rewrite, slotOf } from './damaging.ts';
import { plantings } from './planting.ts';
import { PoolInspection } from './pool-inspection.ts';
import type { RepairReport } from './repair.ts';

const chunkBytes = 256 * KiB;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

type Made = { readonly path: string; readonly store: number; readonly object: number; readonly other: number };

/** A pool with an object that has a snapshot behind its first writes, and another one. `more`: before it is closed. */
async function made(t: ExecutionContext, more?: (pool: ChunkPool, store: number) => Promise<void>): Promise<Made> {
  const parent = mkdtempSync(join(tmpdir(), 'ashlar-repair-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const path = join(parent, 'pool');
  const pool = await openPool(createRealHost(), path, options);
  const id = await pool.createStore();
  const store = await pool.openStore(id);
  const object = await store.create(MiB, 'off');
  const other = await store.create(MiB, 'off');
  await store.write(object, 0, bytes(2 * chunkBytes, 1), false);
  await store.write(other, 0, bytes(8 * KiB, 3), false);
  await store.snapshot();
  await store.write(object, chunkBytes, bytes(8 * KiB, 2), false);
  await store.close();
  await more?.(pool, id);
  await pool.close();
  return { path, store: id, object, other };
}

async function repair(path: string, how: CheckOptions = {}): Promise<RepairReport> {
  const inspection = PoolInspection.open(createRealHost(), path, { isAlone: true });
  try {
    return await inspection.repair(how);
  } finally {
    await inspection.close();
  }
}

/** Every record of the database. */
async function recordsIn(path: string): Promise<Map<string, string>> {
  const records = openLmdb(join(path, 'records'), true);
  const found = new Map<string, string>();
  records.scan(new Uint8Array(1), new Uint8Array(1700).fill(0xff), (key, value) => {
    if (!commitKey.equals(key)) found.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'));
    return true;
  });
  await records.close();
  return found;
}

/** What the check says is mended by a repair, and is. */
async function isMended(
  t: ExecutionContext,
  path: string,
  kinds: readonly string[],
  how?: CheckOptions,
): Promise<void> {
  const { before, mended, after } = await repair(path, how);
  t.deepEqual(kindsOf(before), kinds);
  t.true(before.problems.every(({ mend }) => mend === 'repair'));
  t.deepEqual(mended, before.problems);
  t.deepEqual(after.problems, []);
  t.deepEqual((await check(path)).problems, []);
}

/** What nothing says how to mend: it is told so, and left as it is. */
async function isLeft(t: ExecutionContext, path: string, kinds: readonly string[]): Promise<void> {
  const records = await recordsIn(path);
  const { before, mended, after } = await repair(path);
  t.deepEqual(kindsOf(before), kinds);
  t.true(before.problems.every(({ mend }) => mend !== 'repair'));
  t.deepEqual(mended, []);
  t.deepEqual(after, before);
  t.deepEqual(await recordsIn(path), records);
}

const claim = (path: string, kind: 'slots' | 'pages', place: number): Promise<void> =>
  rewrite(path, (get) => {
    const key = bitmapKey(kind, 0);
    const bitmap = Uint8Array.from(opened(key, get(key)));
    bitmap[place >>> 3] = (bitmap[place >>> 3] ?? 0) ^ (1 << (place & 7));
    return [{ key, value: sealed(key, bitmap) }];
  });

/** Flips a bit of a record. */
const damage = (path: string, key: Uint8Array): Promise<void> =>
  rewrite(path, (get) => {
    const value = get(key);
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
    return [{ key, value }];
  });

async function recordOf<T>(path: string, key: Uint8Array): Promise<T> {
  const records = openLmdb(join(path, 'records'), true);
  const record = getPacked<T>(records, key)!;
  await records.close();
  return record;
}

for (const ending of ['closed', 'killed'] as const) {
  test(`a repair changes nothing in a pool in order that was ${ending}`, async (t) => {
    const pool = new SimulatedPool(new SimulatedMachine(1), new SeededRandom(1));
    await pool.fill(ending);
    const before = pool.snapshot();
    const report = await pool.inspect((inspection) => inspection.repair(), true);
    t.deepEqual(report.before.problems, []);
    t.deepEqual(report.after, report.before);
    t.deepEqual(pool.snapshot(), before);
  });
}

test('a repair of a pool in order writes to no file of it', async (t) => {
  const { path } = await made(t);
  const files = [
    'ashlar.pool',
    'pages',
    'records/data.mdb',
    ...readdirSync(join(path, 'journal')).map((name) => `journal/${name}`),
  ];
  const read = (): Buffer[] => [
    ...files.map((name) => readFileSync(join(path, name))),
    firstOf(join(path, 'data/000000')),
  ];
  const before = read();
  t.deepEqual((await repair(path)).before.problems, []);
  for (const [index, after] of read().entries()) t.true(after.equals(before[index]!), files[index] ?? 'data');
});

/** The part of a data file that has anything in it. */
function firstOf(path: string): Buffer {
  const file = openSync(path, 'r');
  const found = Buffer.alloc(4 * MiB);
  readSync(file, found, 0, found.length, 0);
  closeSync(file);
  return found;
}

test('slots and pages that nothing refers to are free afterwards', async (t) => {
  const { path } = await made(t);
  await claim(path, 'slots', 100);
  await claim(path, 'pages', 200);
  await isMended(t, path, ['page-leaked', 'slot-leaked']);
});

test('slots and pages that are on record as free are in use afterwards', async (t) => {
  const pool = await made(t);
  await claim(pool.path, 'slots', await slotOf(pool, pool.object, 0));
  const { root } = await recordOf<ObjectRecord>(pool.path, objectKey(pool.store, pool.object));
  await claim(pool.path, 'pages', root!.page);
  await isMended(t, pool.path, ['page-not-claimed', 'slot-not-claimed']);
});

test('what is in use is known from the maps where the record of it is damaged or gone', async (t) => {
  const { path } = await made(t);
  const records = await recordsIn(path);
  await damage(path, bitmapKey('slots', 0));
  await damage(path, bitmapKey('pages', 0));
  await isMended(t, path, ['record-damaged']);
  t.deepEqual(await recordsIn(path), records);
  await rewrite(path, () => [{ key: bitmapKey('slots', 0), value: null }]);
  await isMended(t, path, ['slot-not-claimed']);
  t.deepEqual(await recordsIn(path), records);
});

test('counts of blocks are those of the maps afterwards, also where one builds on another', async (t) => {
  const { path, store, object } = await made(t);
  const records = await recordsIn(path);
  for (const key of [keptKey(store, object, 1), objectKey(store, object)]) {
    await changeRecord<ObjectRecord>(path, key, (record) => ({ ...record, blocks: record.blocks + 7 }));
  }
  await isMended(t, path, ['count-wrong']);
  t.deepEqual(await recordsIn(path), records);
});

test('a wrong count of a snapshot alone is told of that, not of what came behind it', async (t) => {
  const { path, store, object } = await made(t);
  await changeRecord<ObjectRecord>(path, keptKey(store, object, 1), (record) => ({ ...record, blocks: 1 }));
  const { problems } = await check(path);
  t.is(problems.length, 1);
  t.like(problems[0], { kind: 'count-wrong', where: { store, object, snapshot: 1, counted: 128, onRecord: 1 } });
  await isMended(t, path, ['count-wrong']);
});

test('numbers that would be given out again are not', async (t) => {
  const { path } = await made(t);
  await changeRecord<PoolRecord>(path, poolKey, (record) => ({ ...record, nextObject: 1, nextStore: 2, birth: 0 }));
  await isMended(t, path, ['number-low']);
  const { nextObject, nextStore, birth } = await recordOf<PoolRecord>(path, poolKey);
  t.true(nextObject > 2 && nextStore > 2 && birth > 0);
});

/** A map that is being deleted, whatever the pool has of its own. */
async function bury(path: string, dead: Partial<DeadRecord> & Pick<DeadRecord, 'root' | 'levels'>): Promise<void> {
  const record = { store: 2, object: 90, floor: -1, snapshot: -1, birth: -1, cursor: 0, ...dead };
  await rewrite(path, () => [packedChange(deadKey(900), record)]);
  await changeRecord<PoolRecord>(path, poolKey, (pool) => ({ ...pool, nextObject: 1000 }));
}

test('a map that is being deleted goes where it is somebody else’s: the one that has it keeps it', async (t) => {
  const { path, store, object } = await made(t);
  const { root, levels } = await recordOf<ObjectRecord>(path, objectKey(store, object));
  await bury(path, { root: root!, levels });
  await isMended(t, path, ['page-shared']);
  const pool = await openPool(createRealHost(), path, options);
  const into = new Uint8Array(8 * KiB);
  await (await pool.openStore(store)).read(object, chunkBytes, into);
  t.deepEqual(into, bytes(8 * KiB, 2));
  await pool.close();
  t.deepEqual((await check(path)).problems, []);
});

test('a map that is being deleted goes where a page of it or its record is damaged, and its room comes back', async (t) => {
  for (const what of ['page', 'record'] as const) {
    const { path, store, other } = await made(t);
    const { root, levels } = await recordOf<ObjectRecord>(path, objectKey(store, other));
    const key = objectKey(store, other);
    await bury(path, { root: root!, levels });
    await rewrite(path, () => [{ key, value: null }]);
    t.deepEqual((await check(path)).problems, []);
    if (what === 'page') flip(join(path, 'pages'), root!.page * blockSize + 3);
    else await damage(path, deadKey(900));
    const kind = what === 'page' ? 'page-damaged' : 'record-damaged';
    await isMended(t, path, [kind, 'page-leaked', 'slot-leaked'].toSorted());
    const pool = await openPool(createRealHost(), path, options);
    await pool.checkpoint();
    t.is((await pool.status()).state, 'ok');
    await pool.close();
  }
});

test('records of a store that was deleted go, where it is known that nobody wants it', async (t) => {
  const { path, store } = await made(t);
  await rewrite(path, () => [{ key: storeKey(store), value: null }]);
  await isLeft(t, path, ['record-missing']);
  await isMended(t, path, ['record-stray', 'page-leaked', 'slot-leaked'].toSorted(), {
    named: { objects: [], snapshots: [] },
  });
});

test('an object that somebody wants and that is not there keeps what nothing refers to from being freed', async (t) => {
  const { path, store, object, other } = await made(t);
  await rewrite(path, () => [{ key: objectKey(store, other), value: null }]);
  const records = await recordsIn(path);
  const named = { objects: [object, other].map((each) => ({ store, object: each })), snapshots: [] };
  const { before, mended } = await repair(path, { named });
  t.deepEqual(kindsOf(before), ['page-leaked', 'record-missing', 'slot-leaked']);
  t.deepEqual(mended, []);
  t.deepEqual(await recordsIn(path), records);
});

test('a damaged record of the catalogue is mended from the journal', async (t) => {
  const pool = new SimulatedPool(new SimulatedMachine(2), new SeededRandom(2));
  const opened = await pool.open();
  const { machine } = pool;
  const catalogue = await machine.finish(opened.openStore(systemStore));
  const name = Buffer.from('name');
  await machine.finish(catalogue.commit([{ key: name, value: bytes(5, 1) }], true));
  await machine.finish(catalogue.close());
  await machine.finish(opened.close());
  const again = await pool.open();
  const later = await machine.finish(again.openStore(systemStore));
  await machine.finish(later.commit([{ key: name, value: bytes(5, 2) }], true));
  machine.crash(false);
  const key = recordKey(systemStore, name);
  await machine.finish(machine.openRecords().commit([{ key, value: bytes(9, 9) }]));
  const { before, after } = await pool.inspect((inspection) => inspection.repair(), true);
  t.deepEqual(kindsOf(before), ['record-damaged']);
  t.deepEqual(after.problems, []);
  t.deepEqual(Uint8Array.from(machine.openRecords().get(key)!), Uint8Array.from(sealed(key, bytes(5, 2))));
});

test('what nothing says how to mend is left as it is: damaged pages, records, data', async (t) => {
  const { path, store, object } = await made(t);
  flip(join(path, 'data/000000'), 4096 * 3);
  await isLeft(t, path, []);
  await damage(path, storeKey(store));
  await isLeft(t, path, ['record-damaged']);
  const second = await made(t);
  const { root } = await recordOf<ObjectRecord>(second.path, objectKey(store, object));
  flip(join(second.path, 'pages'), root!.page * blockSize + 77);
  await isLeft(t, second.path, ['page-damaged']);
});

test('what is leaked is not freed while something refers to what is another’s: it may be what was meant', async (t) => {
  const { path, store, object, other } = await made(t);
  const { root, levels } = await recordOf<ObjectRecord>(path, objectKey(store, object));
  await changeRecord<ObjectRecord>(path, objectKey(store, other), (record) => ({ ...record, root, levels }));
  await isLeft(t, path, ['page-leaked', 'page-shared', 'slot-leaked']);
});

test('where a map is damaged, and what is in use is not on record, all that may be is in use', async (t) => {
  const { path, store, object, other } = await made(t);
  const { root } = await recordOf<ObjectRecord>(path, objectKey(store, object));
  flip(join(path, 'pages'), root!.page * blockSize + 77);
  await damage(path, bitmapKey('slots', 0));
  const { mended, after } = await repair(path);
  t.true(mended[0]?.sentence.endsWith(': until the maps are in order all of its slots count as in use'));
  t.deepEqual(
    mended.map(({ kind }) => kind),
    ['record-damaged'],
  );
  t.deepEqual(kindsOf(after), ['page-damaged']);
  const pool = await openPool(createRealHost(), path, options);
  const opened = await pool.openStore(store);
  const into = new Uint8Array(8 * KiB);
  await opened.read(other, 0, into);
  t.deepEqual(into, bytes(8 * KiB, 3));
  await t.throwsAsync(async () => opened.read(object, 0, into), { message: /damaged/ });
  await pool.close();
});

test('blocks behind a damaged page of the snapshot in front are verified as well', async (t) => {
  const pool = await made(t);
  const { root } = await recordOf<ObjectRecord>(pool.path, keptKey(pool.store, pool.object, 1));
  flip(join(pool.path, 'pages'), root!.page * blockSize + 77);
  const slot = await slotOf(pool, pool.object, 0);
  flip(join(pool.path, 'data/000000'), slot * chunkBytes + 5 * blockSize);
  const { damage: found, problems } = await check(pool.path);
  t.deepEqual(
    problems.map(({ kind }) => kind),
    ['page-damaged'],
  );
  t.deepEqual(found, [
    { store: pool.store, object: pool.object, damage: [{ offset: 5 * blockSize, length: blockSize }] },
  ]);
});

test('a pool that somebody has open, or looks at, is not mended', async (t) => {
  const { path } = await made(t);
  const host = createRealHost();
  const pool = await openPool(host, path, options);
  t.throws(() => PoolInspection.open(host, path, { isAlone: true }), { message: /uses the pool in/ });
  await pool.close();
  const looking = PoolInspection.open(host, path);
  t.throws(() => PoolInspection.open(host, path, { isAlone: true }), { message: /uses the pool in/ });
  await looking.close();
  t.deepEqual((await repair(path)).after.problems, []);
});

/** Begins a repair and kills the process, or cuts the power: after so many steps, or while the commit is under way. */
async function cutOff(machine: SimulatedMachine, at: number | 'commit', powerLost: boolean): Promise<void> {
  const records = machine.openRecords();
  let isCommitting = false;
  const openRecords = (): RecordStore => ({
    get: (key) => records.get(key),
    scan: (from, to, visit) => records.scan(from, to, visit),
    commit: (changes) => {
      isCommitting = true;
      return records.commit(changes);
    },
    close: () => records.close(),
  });
  const inspection = PoolInspection.open(machine.host, '/pool', { openRecords, isAlone: true });
  void inspection.repair();
  for (let steps = 0; at === 'commit' ? !isCommitting : steps < at; steps += 1) await machine.step();
  machine.crash(powerLost);
}

for (const at of ['commit', 3, 15, 40] as const) {
  for (const seed of [1, 2, 3]) {
    const where = at === 'commit' ? 'in its commit' : `after ${at} steps`;
    test(`a repair that is cut off ${where} leaves a pool that the next one mends: seed ${seed}`, async (t) => {
      const machine = new SimulatedMachine(seed);
      const pool = new SimulatedPool(machine, new SeededRandom(seed));
      await pool.fill();
      for (const name of [
        'a free slot is said to be in use',
        'a page in use is said to be free',
        'a count of blocks is wrong',
      ])
        await plantings[name]!(pool);
      const kept = await pool.kept();
      await cutOff(machine, at, seed === 2);
      const { after } = await pool.inspect((again) => again.repair(), true);
      t.deepEqual(after.problems, []);
      t.deepEqual(await pool.kept(), kept);
      await pool.use();
      t.deepEqual((await pool.inspect((again) => again.check())).problems, []);
    });
  }
}
