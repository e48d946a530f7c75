import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { blockSize } from './checksum.ts';
import { bytes, check, flip, kindsOf } from './inspect/damaging.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool } from './pool.ts';

const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

/** A pool with an object whose map's only page is damaged, in a store of its own, and another store that is empty. */
async function made(t: ExecutionContext): Promise<{ path: string; store: number; object: number; other: number }> {
  const parent = mkdtempSync(join(tmpdir(), 'ashlar-page-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const path = join(parent, 'pool');
  const host = createRealHost();
  const pool = await openPool(host, path, options);
  const [store, other] = [await pool.createStore(), await pool.createStore()];
  const opened = await pool.openStore(store);
  const object = await opened.create(MiB, 'off');
  await opened.write(object, 0, bytes(8 * KiB, 1), false);
  await pool.close();
  const inspection = PoolInspection.open(host, path);
  const { root } = inspection.objectRecord(store, object)!;
  await inspection.close();
  flip(join(path, 'pages'), root!.page * blockSize + 9);
  return { path, store, object, other };
}

test('a read of one block under a damaged page of a map fails, and nothing else does', async (t) => {
  const { path, store, object } = await made(t);
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  t.teardown(() => process.off('unhandledRejection', hear));
  const pool = await openPool(createRealHost(), path, options);
  const damaged = await pool.openStore(store);
  await t.throwsAsync(async () => damaged.read(object, 0, new Uint8Array(4 * KiB)), { message: /is damaged/ });
  await turn();
  t.deepEqual(unheard, []);
  await pool.close();
});

test('a store with a damaged page of a map is deleted and the pool goes on; a repair gives the rest of its room back', async (t) => {
  const { path, store, other } = await made(t);
  const pool = await openPool(createRealHost(), path, options);
  await pool.deleteStore(store);
  await pool.checkpoint();
  t.is((await pool.status()).state, 'ok');
  const opened = await pool.openStore(other);
  const object = await opened.create(MiB, 'off');
  await opened.write(object, 0, bytes(4 * KiB, 2), true);
  await pool.close();

  t.deepEqual(kindsOf(await check(path)), ['page-leaked', 'slot-leaked']);
  const inspection = PoolInspection.open(createRealHost(), path, { isAlone: true });
  const { after } = await inspection.repair();
  await inspection.close();
  t.deepEqual(after.problems, []);
});
