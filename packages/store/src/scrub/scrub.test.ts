import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AshlarError,
  FairQueue,
  KiB,
  MiB,
  systemStore,
  type ErrorKind,
  type ScrubCommand,
  type ScrubReport,
} from '@ashlar/core';
import { createRealHost, type Host } from '@ashlar/host';
import { withFiles } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { flip } from '../inspect/damaging.ts';
import { PoolInspection } from '../inspect/pool-inspection.ts';
import { openPool, type ChunkPool } from '../pool.ts';
import type { PoolRecord } from '../records/keys.ts';

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

test('a page of the table of checksums that is damaged on the disk is found, though it is cached', async (t) => {
  const { path, store, object } = await make(t);
  const inspection = PoolInspection.open(createRealHost(), path);
  const { value } = [...inspection.records()].find(({ kind }) => kind === 'pool')!;
  await inspection.close();
  const pool = await openPool(createRealHost(), path, options);
  await (await pool.openStore(store)).read(object, MiB, new Uint8Array(4096));
  flip(join(path, 'pages'), (value as PoolRecord).checksumRoot!.page * 4096 + 100);
  await pool.scrub({ action: 'start' });
  t.like(await ended(pool), { state: 'done', damagedPages: 1, damagedBytes: 0 });
  await pool.close();
});

test('while others compete for the disk it has one transfer under way', async (t) => {
  const { path } = await make(t);
  const fair = new FairQueue();
  const [flow, volume] = [fair.flow(), fair.flow()];
  let most = 0;
  const host = withFiles(createRealHost(), (file) => {
    const read = file.read.bind(file);
    file.read = (offset, into) => {
      most = Math.max(most, flow.underWay);
      return read(offset, into);
    };
    return file;
  });
  const pool = await openPool(host, path, { ...options, flow });
  volume.submit({ cost: 4 * MiB, behind: undefined, begin: () => undefined });
  await pool.scrub({ action: 'start' });
  t.like(await ended(pool), { state: 'done', doneBytes: 2 * MiB + 68 * KiB });
  t.true(most > 0 && most <= MiB, String(most));
  await pool.close();
});

test('it is paused, goes on, and keeps to a rate that changes while it runs', async (t) => {
  const { path } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  await pool.scrub({ action: 'start', bytesPerSecond: 1000 });
  t.like(await pool.scrub({ action: 'pause' }), { state: 'paused', bytesPerSecond: 1000 });
  await delay(50);
  const { doneBytes } = await pool.scrub({ action: 'status' });
  t.true(doneBytes < MiB);
  await delay(50);
  t.is((await pool.scrub({ action: 'status' })).doneBytes, doneBytes);
  t.like(await pool.scrub({ action: 'resume' }), { state: 'running', bytesPerSecond: 1000 });
  t.like(await pool.scrub({ action: 'rate', bytesPerSecond: null }), { bytesPerSecond: undefined });
  t.like(await ended(pool), { state: 'done', damagedBytes: 0 });
  await pool.close();
});

test('what makes no sense is refused with a sentence that says what to type', async (t) => {
  const { path } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  const refused = async (action: ScrubCommand['action'], kind: ErrorKind, message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(async () => pool.scrub({ action }), { instanceOf: AshlarError, message });
    t.is(error?.kind, kind);
  };
  await refused('pause', 'not-found', /none to pause: 'ashlar scrub start' begins one/);
  await refused('resume', 'not-found', /none to resume/);
  await refused('stop', 'not-found', /none to stop/);
  await refused('rate', 'not-found', /none to set the rate of/);
  await pool.scrub({ action: 'start', bytesPerSecond: 1000 });
  await refused('start', 'busy', /under way already/);
  await refused('resume', 'busy', /not paused/);
  await pool.scrub({ action: 'pause' });
  await refused('pause', 'busy', /paused already/);
  await refused('start', 'busy', /is paused already/);
  t.like(await pool.scrub({ action: 'stop' }), { state: 'stopped', completedMs: undefined });
  await pool.close();
});

test('what is written, trimmed and snapshotted while it runs is no damage', async (t) => {
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
  t.like(await ended(pool), { state: 'done', damagedBytes: 0, damagedPages: 0 });
  await pool.close();
});

test('the last one is on record: when, how much, what was found', async (t) => {
  const { path, store, object } = await make(t);
  flip(join(path, 'data/000000'), (await placeOf(path, store, object, MiB)) + 9);
  const pool = await openPool(createRealHost(), path, options);
  await pool.scrub({ action: 'start', bytesPerSecond: 500 * MiB });
  const found = await ended(pool);
  t.is(found.damagedBytes, 4096);
  t.true((found.records?.records ?? 0) > 3);
  await pool.close();
  const again = await openPool(createRealHost(), path, options);
  t.deepEqual(await again.scrub({ action: 'status' }), found);
  await again.close();
});

/** The bytes of a file that begin with a text: where each is. */
function placesIn(file: string, text: string): number[] {
  const bytes = readFileSync(file);
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

/** A pool with a record that is easily found, and damaged where that is asked for. */
async function damageRecord(path: string): Promise<void> {
  const needle = 'a record that is easily found';
  const pool = await openPool(createRealHost(), path, options);
  const system = await pool.openStore(systemStore);
  await system.commit([{ key: Buffer.from('found'), value: Buffer.from(needle) }], true);
  await pool.close();
  const file = join(path, 'records/data.mdb');
  for (const place of placesIn(file, needle)) flip(file, place);
}

test('a record of the database that is damaged is found, the pool says that it is degraded, and the next start makes the database anew', async (t) => {
  const { path } = await make(t);
  await damageRecord(path);
  const pool = await openPool(createRealHost(), path, options);
  await pool.scrub({ action: 'start' });
  t.is((await ended(pool)).records?.damaged, 1);
  const status = await pool.status();
  t.like(status, { state: 'degraded', damagedRecords: 1 });
  t.regex(status.reason ?? '', /1 records of the pool's database are damaged/);
  await pool.close();
  const again = await openPool(createRealHost(), path, options);
  t.like(await again.status(), { state: 'ok', damagedRecords: 0 });
  t.regex((await again.status()).madeAnew ?? '', /^1 of \d+ records of the pool's database are damaged$/);
  await again.close();
});

/** A host on which what waits for a second behind a start does not wait. */
function hurried(): Host {
  const host = createRealHost();
  const { after, soon } = host.scheduler;
  return {
    ...host,
    scheduler: { after: (delayMs, task) => after.call(host.scheduler, delayMs === 1000 ? 0 : delayMs, task), soon },
  };
}

test('behind a kill the records are looked at without a scrub, and what is found keeps the next start from using them', async (t) => {
  const { path } = await make(t);
  await damageRecord(path);
  const pool = await openPool(createRealHost(), path, options);
  await pool.checkpoint();
  const killed = join(path, '..', 'killed');
  execFileSync('cp', ['-a', '--sparse=always', path, killed]);
  t.teardown(() => rmSync(killed, { recursive: true }));
  await pool.close();
  const again = await openPool(hurried(), killed, options);
  while ((await again.status()).damagedRecords === 0) await delay(5);
  t.like(await again.status(), { state: 'degraded', damagedRecords: 1 });
  t.is((await again.scrub({ action: 'status' })).state, 'never');
  await again.close();
  const anew = await openPool(createRealHost(), killed, options);
  t.like(await anew.status(), { state: 'ok', damagedRecords: 0 });
  t.truthy((await anew.status()).madeAnew);
  await anew.close();
});

test('one that is paused stays so over a restart', async (t) => {
  const { path } = await make(t);
  const pool = await openPool(createRealHost(), path, options);
  await pool.scrub({ action: 'start', bytesPerSecond: 1000 });
  await pool.scrub({ action: 'pause' });
  await pool.close();
  const again = await openPool(createRealHost(), path, options);
  t.like(await again.scrub({ action: 'status' }), { state: 'paused', bytesPerSecond: 1000 });
  t.like(await again.scrub({ action: 'resume', bytesPerSecond: null }), {
    state: 'running',
    bytesPerSecond: undefined,
  });
  t.like(await ended(again), { state: 'done', interruptions: 1 });
  await again.close();
});
