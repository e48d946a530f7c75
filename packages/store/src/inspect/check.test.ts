import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { KiB, MiB, type ObjectStore } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { blockSize, checksumOf } from '../checksum.ts';
import { readEntry, writeEntry, type ChunkEntry } from '../format/map-leaf.ts';
import { openPool } from '../pool.ts';
import {
  bitmapKey,
  getPacked,
  objectKey,
  opened,
  poolKey,
  sealed,
  storeKey,
  type ObjectRecord,
  type PoolRecord,
} from '../records/keys.ts';
import { openLmdb } from '../records/lmdb.ts';
import { bytes, changeRecord, check, flip, kindsOf, patch, rewrite, slotOf } from './damaging.ts';
import { PoolInspection } from './pool-inspection.ts';

const chunkBytes = 256 * KiB;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-check-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

type Made = {
  readonly path: string;
  readonly store: number;
  /** Chunk 0: 3 blocks; chunk 2: whole; chunk 3: 2 blocks of kept room. */
  readonly object: number;
  /** Chunk 0: 1 block. */
  readonly other: number;
};

async function fill(store: ObjectStore): Promise<[number, number]> {
  const object = await store.create(16 * MiB, 'off');
  const other = await store.create(MiB, 'off');
  const gone = await store.create(MiB, 'off');
  await store.write(object, 4 * KiB, bytes(12 * KiB, 1), false);
  await store.write(object, 2 * chunkBytes, bytes(chunkBytes, 2), false);
  await store.zero(object, 3 * chunkBytes, 8 * KiB, true, false);
  await store.write(other, 0, bytes(4 * KiB, 3), false);
  await store.write(gone, 0, bytes(8 * KiB, 4), true);
  await store.delete(gone);
  return [object, other];
}

/** A pool that was stopped cleanly. */
async function made(t: ExecutionContext): Promise<Made> {
  const path = join(directory(t), 'pool');
  const pool = await openPool(createRealHost(), path, options);
  const id = await pool.createStore();
  const [object, other] = await fill(await pool.openStore(id));
  await pool.close();
  return { path, store: id, object, other };
}

const flipBit = (path: string, kind: 'slots' | 'pages', bit: number): Promise<void> =>
  rewrite(path, (get) => {
    const key = bitmapKey(kind, 0);
    const bitmap = Uint8Array.from(opened(key, get(key)));
    bitmap[bit >>> 3] = (bitmap[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    return [{ key, value: sealed(key, bitmap) }];
  });

/** Changes a chunk's entry in a map of one leaf, with the checksums that make the page right. */
async function changeEntry(
  { path, store }: Made,
  object: number,
  chunk: number,
  change: (entry: ChunkEntry) => void,
): Promise<void> {
  await changeRecord<ObjectRecord>(path, objectKey(store, object), (record) => {
    let checksum = 0;
    patch(join(path, 'pages'), record.root!.page * blockSize, blockSize, (leaf) => {
      const view = new DataView(leaf.buffer);
      const entry = readEntry(view, chunk);
      change(entry);
      writeEntry(view, chunk, entry);
      checksum = checksumOf(leaf);
    });
    return { ...record, root: { ...record.root!, checksum } };
  });
}

async function recordOf<T>(path: string, key: Uint8Array): Promise<T> {
  const records = openLmdb(join(path, 'records'), true);
  const record = getPacked<T>(records, key)!;
  await records.close();
  return record;
}

test('a pool that was stopped cleanly has no problems, and all of its data is read', async (t) => {
  const pool = await made(t);
  const report = await check(pool.path);
  t.deepEqual(report.problems, []);
  t.is(report.damage.length, 0);
  const read = report.read.filter(({ store }) => store === pool.store);
  t.deepEqual(read, [
    { store: pool.store, object: pool.object, readBytes: 12 * KiB + chunkBytes },
    { store: pool.store, object: pool.other, readBytes: 4 * KiB },
  ]);
  t.is(report.journalFrames, 0);
});

test('a slot in use that nothing refers to is told', async (t) => {
  const { path } = await made(t);
  await flipBit(path, 'slots', 100);
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['slot-leaked']);
  t.deepEqual(report.problems[0]?.where, { first: 100, end: 101 });
});

test('a slot that is referred to and on record as free is told', async (t) => {
  const pool = await made(t);
  const slot = await slotOf(pool, pool.object, 2);
  await flipBit(pool.path, 'slots', slot);
  const report = await check(pool.path);
  t.deepEqual(kindsOf(report), ['slot-not-claimed']);
  t.deepEqual(report.problems[0]?.where, { first: slot, end: slot + 1 });
});

test('a slot that two objects refer to is told with both; the one it was is leaked', async (t) => {
  const pool = await made(t);
  const slot = await slotOf(pool, pool.object, 2);
  await changeEntry(pool, pool.other, 0, ({ pieces }) => {
    pieces[0]!.slot = slot;
  });
  const report = await check(pool.path);
  t.deepEqual(kindsOf(report), ['slot-leaked', 'slot-shared']);
  t.regex(
    report.problems.find(({ kind }) => kind === 'slot-shared')?.sentence ?? '',
    new RegExp(
      `^slot ${slot} is referred to 2 times: chunk 2 of object ${pool.object} of .*, chunk 0 of object ${pool.other} of`,
    ),
  );
  t.is(report.damage.length, 0, 'the checksums are those of the slot: only the count finds it');
});

test('a slot that no data file has is told', async (t) => {
  const pool = await made(t);
  await changeEntry(pool, pool.other, 0, ({ pieces }) => {
    pieces[0]!.slot = 2 ** 40;
  });
  t.deepEqual(kindsOf(await check(pool.path)), ['slot-leaked', 'slot-outside']);
});

test('a count of mapped blocks that is not what the map has is told', async (t) => {
  const { path, store, object } = await made(t);
  await changeRecord<ObjectRecord>(path, objectKey(store, object), (record) => ({
    ...record,
    blocks: record.blocks + 1,
  }));
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['count-wrong']);
  t.deepEqual(report.problems[0]?.where, { store, object, counted: 3 + 64 + 2, onRecord: 3 + 64 + 3 });
});

test('a block that lies in two places, or behind the end of its object, is told', async (t) => {
  const pool = await made(t);
  await changeEntry(pool, pool.object, 2, (entry) => {
    entry.zeroLow = 1;
  });
  t.true(kindsOf(await check(pool.path)).includes('entry-wrong'));
  const second = await made(t);
  await changeRecord<ObjectRecord>(second.path, objectKey(second.store, second.other), (record) => ({
    ...record,
    sizeBytes: 0,
  }));
  const report = await check(second.path);
  t.deepEqual(kindsOf(report), ['entry-wrong']);
  t.regex(
    report.problems[0]?.sentence ?? '',
    /^chunk 0 of object \d+ of store \d+ has blocks behind the end of its object$/,
  );
});

test('a damaged page of a map is told with what it hides; what it refers to does not count as leaked', async (t) => {
  const { path, store, object } = await made(t);
  const { root } = await recordOf<ObjectRecord>(path, objectKey(store, object));
  flip(join(path, 'pages'), root!.page * blockSize + 77);
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['page-damaged']);
  t.deepEqual(report.problems[0]?.where, { page: root!.page, store, object, offset: 0, length: 32 * chunkBytes });
});

test('a page of a map that is missing is told, and the page that nothing refers to then is not called leaked', async (t) => {
  const { path, store, object } = await made(t);
  await changeRecord<ObjectRecord>(path, objectKey(store, object), (record) => ({
    ...record,
    root: { ...record.root!, page: 1_000_000 },
  }));
  t.deepEqual(kindsOf(await check(path)), ['page-damaged']);
});

test('a file of pages that was cut off is told', async (t) => {
  const { path } = await made(t);
  truncateSync(join(path, 'pages'), 0);
  t.deepEqual(kindsOf(await check(path)), ['checksum-page-damaged', 'page-damaged', 'slot-outside']);
});

test('pages that are leaked, shared, or referred to and on record as free are told', async (t) => {
  const leaked = await made(t);
  await flipBit(leaked.path, 'pages', 200);
  t.deepEqual(kindsOf(await check(leaked.path)), ['page-leaked']);
  const { root } = await recordOf<ObjectRecord>(leaked.path, objectKey(leaked.store, leaked.object));
  await flipBit(leaked.path, 'pages', 200);
  await flipBit(leaked.path, 'pages', root!.page);
  t.deepEqual(kindsOf(await check(leaked.path)), ['page-not-claimed']);

  const shared = await made(t);
  const first = await recordOf<ObjectRecord>(shared.path, objectKey(shared.store, shared.object));
  await changeRecord<ObjectRecord>(shared.path, objectKey(shared.store, shared.other), () => first);
  t.deepEqual(kindsOf(await check(shared.path)), ['page-leaked', 'page-shared', 'slot-leaked']);
});

test('a damaged page of checksums is told with its slots; their blocks cannot be verified', async (t) => {
  const { path, object, other } = await made(t);
  const { checksumRoot } = await recordOf<PoolRecord>(path, poolKey);
  flip(join(path, 'pages'), checksumRoot!.page * blockSize + 5);
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['checksum-page-damaged']);
  t.like(report.problems[0]?.where, { page: checksumRoot!.page, slot: 0, endSlot: 16 });
  t.deepEqual(report.damage.map((found) => found.object).toSorted(), [object, other].toSorted());
});

test('a flipped byte of data is told as the block that it is in', async (t) => {
  const pool = await made(t);
  const slot = await slotOf(pool, pool.object, 2);
  flip(join(pool.path, 'data/000000'), slot * chunkBytes + 5 * blockSize + 99);
  const report = await check(pool.path);
  t.deepEqual(report.problems, []);
  t.deepEqual(report.damage, [
    { store: pool.store, object: pool.object, damage: [{ offset: 2 * chunkBytes + 5 * blockSize, length: blockSize }] },
  ]);
});

test('a record of the database that does not fit its checksum is told, each kind', async (t) => {
  const { path, store, object } = await made(t);
  for (const [key, name] of [
    [objectKey(store, object), new RegExp(`^the record object ${store}/${object} `)],
    [bitmapKey('slots', 0), /^the record slots 0 /],
    [storeKey(store), new RegExp(`^the record store ${store} `)],
    [poolKey, /^the record pool /],
  ] as const) {
    let whole = new Uint8Array();
    await rewrite(path, (get) => {
      whole = Uint8Array.from(get(key));
      const value = Uint8Array.from(whole);
      value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
      return [{ key, value }];
    });
    const report = await check(path);
    t.deepEqual(kindsOf(report), ['record-damaged'], String(name));
    t.regex(report.problems[0]?.sentence ?? '', name);
    await rewrite(path, () => [{ key, value: whole }]);
  }
});

test('records that are missing or of no known kind are told', async (t) => {
  const { path, store } = await made(t);
  const unknown = Buffer.from('z1');
  await rewrite(path, () => [
    { key: storeKey(store), value: null },
    { key: unknown, value: sealed(unknown, bytes(3, 1)) },
  ]);
  t.deepEqual(kindsOf(await check(path)), ['record-missing', 'record-unknown']);
  await rewrite(path, () => [{ key: poolKey, value: null }]);
  t.true((await check(path)).problems.some(({ sentence }) => sentence.startsWith("the pool's own record is missing")));
});

/** What a killed server leaves: eight durable writes of a block each in the journal, over data that is home. */
async function killed(t: ExecutionContext): Promise<Made> {
  const parent = directory(t);
  const pool = await openPool(createRealHost(), join(parent, 'running'), options);
  const id = await pool.createStore();
  const store = await pool.openStore(id);
  const object = await store.create(MiB, 'off');
  await store.write(object, 0, bytes(64 * KiB, 9), true);
  await pool.checkpoint();
  for (let block = 0; block < 8; block += 1)
    await store.write(object, block * blockSize, bytes(blockSize, 0x60 + block), true);
  const path = join(parent, 'killed');
  // Data files are 16 GiB of which hardly anything takes room: so shall the copy.
  execFileSync('cp', ['-r', '--sparse=always', join(parent, 'running'), path]);
  await pool.close();
  return { path, store: id, object, other: -1 };
}

/** The frame that carries the write of a block: its segment, and where it begins. */
async function frameOf(
  path: string,
  block: number,
): Promise<{ readonly segment: string; readonly offset: number; readonly number: number }> {
  const inspection = PoolInspection.open(createRealHost(), path);
  const frames = [...(await inspection.journal()).frames()];
  await inspection.close();
  return frames.find(({ records }) =>
    records.some(({ record }) => record.kind === 'data' && record.offset === block * blockSize),
  )!;
}

test('what a killed server left in its journal is no problem, and lies over what it replaces', async (t) => {
  const pool = await killed(t);
  const { path, object } = pool;
  const report = await check(path);
  t.deepEqual(report.problems, []);
  t.true(report.journalFrames >= 8);
  // A checkpoint that was cut off may have brought the newer bytes home already.
  const data = join(path, 'data/000000');
  const at = (await slotOf(pool, object, 0)) * chunkBytes;
  patch(data, at + 2 * blockSize, blockSize, (block) => block.fill(0x62));
  t.is((await check(path)).damage.length, 0);
  patch(data, at + 12 * blockSize, blockSize, (block) => block.fill(0x62));
  t.deepEqual((await check(path)).damage, [
    { store: pool.store, object: pool.object, damage: [{ offset: 12 * blockSize, length: blockSize }] },
  ]);
});

test('a damaged header of a promised frame is told, and nothing is lost with it', async (t) => {
  const { path } = await killed(t);
  const { segment, offset, number } = await frameOf(path, 3);
  flip(segment, offset + 100);
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['journal-header']);
  t.deepEqual(report.problems[0]?.where, { number });
  t.is(report.damage.length, 0);
});

test('a frame that is missing below the durable mark is told by its number', async (t) => {
  const { path } = await killed(t);
  const first = await frameOf(path, 3);
  const second = await frameOf(path, 4);
  for (const { segment, offset } of [first, second]) flip(segment, offset + 100);
  const report = await check(path);
  t.deepEqual(kindsOf(report), ['journal-header', 'journal-hole']);
  t.deepEqual(report.problems[0]?.where, { first: first.number, end: first.number + 1 });
});

test('a block of a promised frame that does not verify is damage', async (t) => {
  const pool = await killed(t);
  const { path } = pool;
  const { segment, offset } = await frameOf(path, 3);
  flip(segment, offset + blockSize + 100);
  const report = await check(path);
  t.deepEqual(report.problems, []);
  t.deepEqual(report.damage, [
    { store: pool.store, object: pool.object, damage: [{ offset: 3 * blockSize, length: blockSize }] },
  ]);
});

test('a segment of the journal that was cut short is told', async (t) => {
  const { path } = await killed(t);
  const { segment, offset } = await frameOf(path, 6);
  truncateSync(join(path, 'journal', basename(segment)), offset);
  t.deepEqual(kindsOf(await check(path)), ['journal-cut']);
});

test('a pool that is open is not checked', async (t) => {
  const path = join(directory(t), 'pool');
  const pool = await openPool(createRealHost(), path, options);
  t.throws(() => PoolInspection.open(createRealHost(), path), {
    message: /a server uses the pool in .*: stop it first/,
  });
  await pool.close();
  t.deepEqual((await check(path)).problems, []);
});
