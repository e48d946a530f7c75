import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRealHost } from '@ashlar/host';
import test from 'ava';
import { openPool } from './pool.ts';

test('what a deleted object had in the journal only is given back, memory and slots', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-pool-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const pool = await openPool(createRealHost(), join(directory, 'pool'), { journalBytes: 16 * 1024 * 1024 });
  const store = await pool.openStore(await pool.createStore());
  for (let round = 0; round < 3; round += 1) {
    const object = await store.create(16 * 1024 * 1024, 'off');
    for (let chunk = 0; chunk < 32; chunk += 1) {
      await store.write(object, chunk * 256 * 1024, new Uint8Array(4096).fill(1), false);
    }
    await store.write(object, 12 * 1024 * 1024, new Uint8Array(1024 * 1024).fill(2), false);
    t.true((await pool.status()).overlayBytes > 0);
    await store.delete(object);
    await pool.giveBack();
    const { overlayBytes, allocatedBytes } = await pool.status();
    t.is(overlayBytes, 0);
    t.is(allocatedBytes, 0);
  }
  await pool.close();
});
