import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test from 'ava';
import { openPool } from './pool.ts';

test('a write that waits for the room of what was trimmed gets it, whatever is made meanwhile', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-full-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  const options = { chunkSizeBytes: 64 * KiB, journalBytes: 16 * MiB, capacityBytes: MiB };
  const pool = await openPool(createRealHost(), join(path, 'pool'), options);
  const id = await pool.createStore();
  const store = await pool.openStore(id);
  const object = await store.create(MiB, 'off');
  const bytes = new Uint8Array(768 * KiB);
  await store.write(object, 0, bytes.fill(1), true);
  await store.trim(object, 0, bytes.length, true);
  const made = Array.from({ length: 4 }, () => pool.createStore());
  await store.write(object, 0, bytes.fill(2), true);
  t.is(new Set(await Promise.all(made)).size, 4);
  const found = new Uint8Array(bytes.length);
  await store.read(object, 0, found);
  t.deepEqual(found, bytes);
  await pool.close();
});
