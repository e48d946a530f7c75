import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test from 'ava';
import { openPool } from './index.ts';

const chunkSizeBytes = 64 * KiB;

test('a small write over a large one goes where that is: the slot that both replace is free behind the checkpoint', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-home-'));
  const pool = await openPool(createRealHost(), directory, { chunkSizeBytes });
  t.teardown(async () => {
    await pool.close();
    rmSync(directory, { recursive: true });
  });
  const store = await pool.openStore(await pool.createStore());
  const chunks = 8;
  const object = await store.create(chunks * chunkSizeBytes, 'off');
  const expected = new Uint8Array(chunks * chunkSizeBytes);
  const write = async (offset: number, length: number, byte: number): Promise<void> => {
    const bytes = new Uint8Array(length).fill(byte);
    expected.set(bytes, offset);
    await store.write(object, offset, bytes, false);
  };
  await write(0, expected.length, 1);
  await pool.checkpoint();
  const before = (await pool.status()).allocatedBytes;
  await write(0, expected.length, 2);
  for (let chunk = 0; chunk < chunks; chunk += 1) await write(chunk * chunkSizeBytes + 12 * KiB, 8 * KiB, 3 + chunk);
  await pool.checkpoint();
  t.is((await pool.status()).allocatedBytes, before);
  const found = new Uint8Array(expected.length);
  await store.read(object, 0, found);
  t.deepEqual(Buffer.compare(found, expected), 0);
});
