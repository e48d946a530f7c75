import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AshlarError, KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { SimulatedMachine, withFiles } from '@ashlar/testing';
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

test('a large overwrite that found no room goes where it has room, also beside one of its chunk that found some', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const chunkBytes = 128 * KiB;
  const half = chunkBytes / 2;
  let isFull = false;
  let shrunk = 0;
  const host = withFiles(machine.host, (file) => {
    if (file.path.endsWith('/reserve')) {
      const truncate = file.truncate.bind(file);
      file.truncate = (sizeBytes) => {
        shrunk += 1;
        truncate(sizeBytes);
      };
    }
    if (!file.path.includes('/data/')) return file;
    const write = file.write.bind(file);
    file.write = (offset, from) => {
      if (isFull && offset % chunkBytes === half) throw new AshlarError('no-space', 'somebody else was quicker');
      return write(offset, from);
    };
    return file;
  });
  const pool = await machine.finish(
    openPool(host, '/pool', {
      chunkSizeBytes: chunkBytes,
      overlayBytes: 8 * MiB,
      journalBytes: 10 * MiB,
      openRecords: () => machine.openRecords(),
    }),
  );
  const store = await pool.openStore(await machine.finish(pool.createStore()));
  const object = await machine.finish(store.create(chunkBytes, 'off'));
  await machine.finish(store.write(object, 0, new Uint8Array(chunkBytes).fill(1), false));
  await machine.finish(pool.checkpoint());
  isFull = true;
  const halves = [2, 3].map((byte, at) => store.write(object, at * half, new Uint8Array(half).fill(byte), false));
  await machine.finish(Promise.all(halves));
  // Enough for what a checkpoint writes of its own, and not for the second half anew: the reserve is not touched.
  machine.setRoom(half / 2);
  await machine.finish(pool.checkpoint());
  t.is(shrunk, 0);
  t.is((await pool.status()).state, 'ok');
  const bytes = new Uint8Array(chunkBytes);
  await machine.finish(store.read(object, 0, bytes));
  t.true(bytes.subarray(0, half).every((byte) => byte === 2));
  t.true(bytes.subarray(half).every((byte) => byte === 3));
});
