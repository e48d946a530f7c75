import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KiB, MiB, type ScrubReport } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool, type ChunkPool } from './pool.ts';

const chunkBytes = 256 * KiB;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

async function ended(pool: ChunkPool): Promise<ScrubReport> {
  for (;;) {
    const report = await pool.scrub({ action: 'status' });
    if (report.state !== 'running') return report;
    await delay(5);
  }
}

async function make(t: ExecutionContext): Promise<{ path: string; store: number; object: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-scrub-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'pool');
  const pool = await openPool(createRealHost(), path, options);
  const store = await pool.createStore();
  const opened = await pool.openStore(store);
  const object = await opened.create(16 * MiB, 'off');
  await opened.write(object, 0, new Uint8Array(2 * MiB).fill(1), false);
  await opened.write(object, 10 * MiB, new Uint8Array(4 * KiB).fill(2), false);
  await opened.snapshot();
  await opened.write(object, MiB, new Uint8Array(64 * KiB).fill(3), false);
  await pool.close();
  return { path, store, object };
}

/** Where a block of an object, as it is, lies in the first data file. */
async function placeOf(path: string, store: number, object: number, offset: number): Promise<number> {
  const inspection = PoolInspection.open(createRealHost(), path);
  const [chunk, block] = [Math.floor(offset / chunkBytes), (offset % chunkBytes) / 4096];
  let place = -1;
  await inspection.walkMap(inspection.objectRecord(store, object)!, (row) => {
    if (row.kind !== 'chunk' || row.chunk !== chunk) return;
    const piece = row.entry.pieces.find(({ low, high }) => (((block < 32 ? low : high) >>> (block & 31)) & 1) === 1);
    if (piece !== undefined) place = piece.slot * chunkBytes + block * 4096;
  });
  await inspection.close();
  return place;
}

function flip(path: string, offset: number): void {
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x40;
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
}

test('a scrub reads all there is once, whatever shares it, and finds nothing wrong', async (t) => {
  const { path } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  t.is((await pool.scrub({ action: 'status' })).state, 'never');
  await pool.scrub({ action: 'start' });
  const report = await ended(pool);
  t.like(report, { state: 'done', damagedBytes: 0, damagedPages: 0, findings: [] });
  t.is(report.doneBytes, 2 * MiB + 4 * KiB + 64 * KiB);
  await pool.close();
});

test('a byte that flipped on the disk is found where it is, though the block is cached', async (t) => {
  const { path, store, object } = await make(t);
  const live = await placeOf(path, store, object, MiB + 8 * KiB);
  const shared = await placeOf(path, store, object, 10 * MiB);
  const pool = await openPool(createRealHost(), path, options);
  const opened = await pool.openStore(store);
  await opened.read(object, MiB, new Uint8Array(64 * KiB));
  flip(join(path, 'data/000000'), live + 77);
  flip(join(path, 'data/000000'), shared + 5);
  await pool.scrub({ action: 'start' });
  const { findings, damagedBytes } = await ended(pool);
  t.is(damagedBytes, 8 * KiB);
  t.deepEqual(findings, [
    { store, object, snapshot: 1, offset: 10 * MiB, length: 4096 },
    { store, object, snapshot: undefined, offset: MiB + 8 * KiB, length: 4096 },
  ]);
  await pool.close();
});

test('a page of a map that is damaged on the disk is found, though it is cached', async (t) => {
  const { path, store, object } = await make(t);
  const inspection = PoolInspection.open(createRealHost(), path);
  const { root } = inspection.objectRecord(store, object)!;
  await inspection.close();
  const pool = await openPool(createRealHost(), path, options);
  const opened = await pool.openStore(store);
  await opened.read(object, MiB, new Uint8Array(4096));
  flip(join(path, 'pages'), root!.page * 4096 + 100);
  await pool.scrub({ action: 'start' });
  t.like(await ended(pool), { state: 'done', damagedPages: 1 });
  await pool.close();
});

test('it is paused, goes on, keeps to its rate, and one at a time runs', async (t) => {
  const { path } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  await pool.scrub({ action: 'start', bytesPerSecond: 20 * MiB });
  await t.throwsAsync(() => Promise.resolve(pool.scrub({ action: 'start' })), { message: /under way/ });
  t.is((await pool.scrub({ action: 'pause' })).state, 'paused');
  await delay(50);
  const { doneBytes } = await pool.scrub({ action: 'status' });
  await delay(50);
  t.is((await pool.scrub({ action: 'status' })).doneBytes, doneBytes);
  await pool.scrub({ action: 'resume', bytesPerSecond: 1000 * MiB });
  t.like(await ended(pool), { state: 'done', damagedBytes: 0 });
  await pool.close();
});

test('what is written, trimmed and snapshotted while it runs is no damage; a close ends it', async (t) => {
  const { path, store, object } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  const opened = await pool.openStore(store);
  await pool.scrub({ action: 'start', bytesPerSecond: 4 * MiB });
  for (let round = 0; round < 30; round += 1) {
    await opened.write(object, (round % 8) * chunkBytes, new Uint8Array(chunkBytes).fill(round), false);
    await opened.trim(object, ((round + 4) % 8) * chunkBytes, 64 * KiB, false);
    if (round % 10 === 0) await opened.snapshot();
    await pool.checkpoint();
  }
  t.is((await pool.scrub({ action: 'status' })).damagedBytes, 0);
  await pool.close();
});
