import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB, type ObjectId, type RecordChange, type RecordStore, type StoreId } from '@ashlar/core';
import { createRealHost, type Host } from '@ashlar/host';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { check, flip } from '../inspect/damaging.ts';
import { makeDatabaseAnew } from '../inspect/database.ts';
import { openPool } from '../pool.ts';
import { newKeptRecords, type KeptRecords } from './kept-records.ts';
import { simulatedSource } from './records-source.ts';

const options = { chunkSizeBytes: 64 * KiB, journalBytes: 16 * MiB };
const pageBytes = 4096;

type Made = { readonly path: string; readonly store: StoreId; readonly object: ObjectId; readonly snapshot: number };

/** A pool with a volume that has a snapshot and was written to since; `isClosed`, or its process was killed. */
async function made(t: ExecutionContext, isClosed = true): Promise<Made> {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-kept-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  const pool = await openPool(createRealHost(), join(path, 'pool'), options);
  const store = await pool.createStore();
  const opened = await pool.openStore(store);
  const object = await opened.create(MiB, 'off');
  await opened.write(object, 0, new Uint8Array(16 * KiB).fill(1), true);
  const snapshot = await opened.snapshot();
  await opened.write(object, 4 * KiB, new Uint8Array(4 * KiB).fill(2), true);
  await pool.checkpoint();
  await opened.write(object, 8 * KiB, new Uint8Array(4 * KiB).fill(3), true);
  // What a kill leaves is what is there at that moment.
  if (!isClosed) execFileSync('cp', ['-a', '--sparse=always', join(path, 'pool'), join(path, 'killed')]);
  await pool.close();
  return { path: join(path, isClosed ? 'pool' : 'killed'), store, object, snapshot };
}

/** The machine after another start. */
const rebooted = (): Host => ({ ...createRealHost(), bootId: () => 'another' });

async function isWhole(
  t: ExecutionContext,
  { path, store, object, snapshot }: Made,
  damage: RegExp | undefined,
): Promise<void> {
  const pool = await openPool(rebooted(), path, options);
  const { madeAnew, state, hasRecordLog } = await pool.status();
  if (damage === undefined) t.is(madeAnew, undefined);
  else t.regex(madeAnew ?? 'nothing was wrong', damage);
  t.is(state, 'ok');
  t.true(hasRecordLog);
  const opened = await pool.openStore(store);
  const read = async (reader: Pick<typeof opened, 'read'>): Promise<number[]> => {
    const into = new Uint8Array(16 * KiB);
    await reader.read(object, 0, into);
    return [0, 1, 2, 3].map((block) => into[block * 4 * KiB]!);
  };
  t.deepEqual(await read(opened), [1, 2, 3, 1]);
  const view = opened.openSnapshot(snapshot);
  t.deepEqual(await read(view), [1, 1, 1, 1]);
  view.close();
  await pool.close();
  t.deepEqual((await check(path)).problems, []);
}

/** Nonsense in the header of each page of a database behind the two that begin it: the library crashes on it. */
function breakPages(path: string): void {
  const file = join(path, 'records/data.mdb');
  const bytes = readFileSync(file);
  for (let page = 2; page < bytes.length / pageBytes; page += 1)
    bytes.fill(0xa5, page * pageBytes + 8, page * pageBytes + 24);
  writeFileSync(file, bytes);
}

test('behind a kill a database that the library cannot bear is made anew of its log', async (t) => {
  const pool = await made(t, false);
  breakPages(pool.path);
  await isWhole(t, pool, /./);
  t.true(readdirSync(pool.path).includes('records-damaged'));
  await isWhole(t, pool, undefined);
});

/** A record's value that is damaged, where the library sees nothing of it. */
function breakValues(path: string): void {
  const file = join(path, 'records/data.mdb');
  const bytes = readFileSync(file);
  // The record of the store has the field in its value.
  for (let at = bytes.indexOf('floor'); at >= 0; at = bytes.indexOf('floor', at + 1)) flip(file, at);
}

test('behind a kill alone the database is looked at when the server is up, and by the next start where that did not come to it', async (t) => {
  const pool = await made(t, false);
  const seen = join(pool.path, 'records-seen');
  t.true(existsSync(seen));
  const opened = await openPool(createRealHost(), pool.path, options);
  t.false(existsSync(seen));
  execFileSync('cp', ['-a', '--sparse=always', pool.path, join(pool.path, '..', 'again')]);
  await opened.close();
  const again = { ...pool, path: join(pool.path, '..', 'again') };
  breakPages(again.path);
  const next = await openPool(createRealHost(), again.path, options);
  t.truthy((await next.status()).madeAnew);
  t.true(existsSync(join(again.path, 'records-seen')));
  await next.close();
  await isWhole(t, again, undefined);
});

test('a database that is gone is made anew of its log', async (t) => {
  const pool = await made(t);
  rmSync(join(pool.path, 'records'), { recursive: true });
  await isWhole(t, pool, /^the pool's database is missing$/);
});

test('a database that went back to a commit before the last is made anew of its log', async (t) => {
  const pool = await made(t);
  const before = join(pool.path, '..', 'before');
  cpSync(join(pool.path, 'records'), before, { recursive: true });
  const opened = await openPool(createRealHost(), pool.path, options);
  await opened.createStore();
  await opened.close();
  rmSync(join(pool.path, 'records'), { recursive: true });
  cpSync(before, join(pool.path, 'records'), { recursive: true });
  await isWhole(t, pool, /^the pool's database is that of commit \d+, and commit \d+ was durable$/);
});

test('a pool that was closed finds a record that is damaged when it reads it', async (t) => {
  const pool = await made(t);
  breakValues(pool.path);
  await isWhole(t, pool, /records of the pool's database are damaged$/);
});

test('a database that cannot be read and has no log is refused', async (t) => {
  const pool = await made(t, false);
  breakPages(pool.path);
  rmSync(join(pool.path, 'record-log'), { recursive: true });
  const error = await failsWith(t, 'corrupt', () => openPool(rebooted(), pool.path, options));
  t.regex(error!.message, /there is no log that it could be made anew of$/);
  await failsWith(t, 'corrupt', () => makeDatabaseAnew(createRealHost(), pool.path));
});

test('a repair makes a database anew while no server has it, and leaves a whole one alone', async (t) => {
  const pool = await made(t);
  t.is(await makeDatabaseAnew(createRealHost(), pool.path), undefined);
  breakPages(pool.path);
  t.truthy(await makeDatabaseAnew(createRealHost(), pool.path));
  t.deepEqual((await check(pool.path)).problems, []);
  await isWhole(t, pool, undefined);
  const opened = await openPool(createRealHost(), pool.path, options);
  await failsWith(t, 'busy', () => makeDatabaseAnew(createRealHost(), pool.path));
  await opened.close();
});

/** What a scan of all shows, as text. */
function shown(records: KeptRecords): string {
  const found: string[] = [];
  records.scan(Buffer.from('a'), Buffer.from('k'), (key, value) => {
    found.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
    return true;
  });
  return found.join(' ');
}

test('a commit is seen by nobody before it has settled, and then with what follows it in memory', async (t) => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const machine = new SimulatedMachine(seed);
    machine.makeDurableDirectory('/pool');
    const { records } = await machine.finish(
      newKeptRecords({
        host: machine.host,
        path: '/pool',
        poolId: '00112233445566778899aabbccddeeff',
        source: simulatedSource(() => machine.openRecords()),
        dumpAfterBytes: 4 * KiB,
      }),
    );
    const change = (key: string, value: string | null): RecordChange => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    });
    await machine.finish(records.commit([change('b', '1'), change('d', '1'), change('f', '1')]));
    let follows = false;
    const committed = records.commit([change('a', '2'), change('b', null), change('d', '2'), change('h', '2')], () => {
      follows = true;
      t.is(shown(records), 'a=2 d=2 f=1 h=2');
    });
    let settled = false;
    void committed.then(() => (settled = true));
    while (!settled) {
      if (!follows) {
        t.is(shown(records), 'b=1 d=1 f=1');
        t.is(Buffer.from(records.get(Buffer.from('d'))!).toString(), '1');
        t.is(records.get(Buffer.from('a')), undefined);
      }
      await machine.step();
    }
    t.is(shown(records), 'a=2 d=2 f=1 h=2');
  }
});

test('a pool whose data has reached its capacity has a log again as soon as its disk has room for one', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const openRecords = (): RecordStore => machine.openRecords();
  const pool = await machine.finish(
    openPool(machine.host, '/pool', { ...options, capacityBytes: 64 * KiB, openRecords }),
  );
  machine.setRoom(0);
  const hasLog = async (): Promise<boolean> => (await pool.status()).hasRecordLog;
  for (let count = 0; count < 100 && (await hasLog()); count += 1) await machine.finish(pool.createStore());
  t.false(await hasLog());
  machine.setRoom(undefined);
  // What was measured is believed for a while.
  for (let count = 0; count < 100 && !(await hasLog()); count += 1) await machine.finish(pool.createStore());
  t.true(await hasLog());
  await machine.finish(pool.close());
});
