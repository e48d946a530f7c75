import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test from 'ava';
import { blockSize } from './checksum.ts';
import { bytes, flip } from './inspect/damaging.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool } from './pool.ts';

const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

test('a read of one block under a damaged page of a map fails, and nothing else does', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'ashlar-page-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const path = join(parent, 'pool');
  const host = createRealHost();
  const pool = await openPool(host, path, options);
  const id = await pool.createStore();
  const store = await pool.openStore(id);
  const object = await store.create(MiB, 'off');
  await store.write(object, 0, bytes(8 * KiB, 1), false);
  await pool.close();
  const inspection = PoolInspection.open(host, path);
  const { root } = inspection.objectRecord(id, object)!;
  await inspection.close();
  flip(join(path, 'pages'), root!.page * blockSize + 9);

  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  t.teardown(() => process.off('unhandledRejection', hear));
  const again = await openPool(host, path, options);
  const damaged = await again.openStore(id);
  await t.throwsAsync(async () => damaged.read(object, 0, new Uint8Array(4 * KiB)), { message: /is damaged/ });
  await turn();
  t.deepEqual(unheard, []);
  await again.close();
});
