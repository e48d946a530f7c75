import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { blockSize } from './checksum.ts';
import { bytes, check, flip, kindsOf } from './inspect/damaging.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool } from './pool.ts';

const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

/** A pool with an object whose map's only page is damaged, in a store of its own, and another store that is empty. */
async function made(t: ExecutionContext): Promise<{ path: string; store: number; other: number }> {
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
  return { path, store, other };
}

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
