import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { KiB, MiB, type ObjectStore } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { openPool } from './index.ts';
import type { ChunkPool } from './pool.ts';

type Made = { readonly pool: ChunkPool; readonly store: ObjectStore; readonly object: number; readonly path: string };

async function make(t: ExecutionContext, sizeBytes: number): Promise<Made> {
  const path = await mkdtemp(`${tmpdir()}/ashlar-dead-`);
  const pool = await openPool(createRealHost(), path, { overlayBytes: 8 * MiB, journalBytes: 32 * MiB });
  t.teardown(async () => {
    await pool.close();
    await rm(path, { recursive: true });
  });
  const store = await pool.openStore(await pool.createStore());
  return { pool, store, object: await store.create(sizeBytes, 'off'), path };
}

/** What the data files take of the disk. */
async function takenBytes(path: string): Promise<number> {
  let blocks = 0;
  for (const name of await readdir(`${path}/data`)) blocks += (await stat(`${path}/data/${name}`)).blocks;
  return blocks * 512;
}

/** How many checkpoints it takes until all that is deleted has come back. */
async function comeBack({ pool }: Made, isBack: () => Promise<boolean>, most: number): Promise<number> {
  for (let count = 1; count <= most; count += 1) {
    await pool.checkpoint();
    if (await isBack()) return count;
  }
  return Infinity;
}

test('the room that zeros kept in a slot which stays comes back with the last snapshot that has it', async (t) => {
  const made = await make(t, MiB);
  const { pool, store, object, path } = made;
  await store.write(object, 0, new Uint8Array(4096).fill(1), false);
  await store.zero(object, 4096, 252 * KiB, true, false);
  await pool.checkpoint();
  const before = await takenBytes(path);
  t.true(before >= 256 * KiB);
  const snapshot = await store.snapshot();
  await store.trim(object, 4096, 252 * KiB, false);
  await pool.checkpoint();
  t.is(await takenBytes(path), before);
  await store.deleteSnapshot(snapshot);
  const isBack = async (): Promise<boolean> => (await takenBytes(path)) <= before - 252 * KiB;
  t.true((await comeBack(made, isBack, 20)) < 20);
});

test('what is kept of zeros by the state behind a snapshot stays when that is deleted', async (t) => {
  const made = await make(t, MiB);
  const { pool, store, object, path } = made;
  await store.write(object, 0, new Uint8Array(8192).fill(1), false);
  await store.zero(object, 8192, 248 * KiB, true, false);
  await pool.checkpoint();
  const before = await takenBytes(path);
  const snapshot = await store.snapshot();
  await store.trim(object, 4096, 4096, false);
  await pool.checkpoint();
  await store.deleteSnapshot(snapshot);
  const isBack = async (): Promise<boolean> => (await takenBytes(path)) <= before - 4096;
  t.true((await comeBack(made, isBack, 20)) < 20);
  t.is(await takenBytes(path), before - 4096);
});

test('many snapshots are deleted in few checkpoints', async (t) => {
  const made = await make(t, 64 * MiB);
  const { pool, store, object } = made;
  const write = (at: number): Promise<void> | void => store.write(object, at, new Uint8Array(4096).fill(1), false);
  await write(0);
  await pool.checkpoint();
  const before = pool.status() as { allocatedBytes: number };
  for (let count = 0; count < 100; count += 1) {
    await store.snapshot();
    await write(0);
  }
  await pool.checkpoint();
  for (const { id } of store.snapshots()) await store.deleteSnapshot(id);
  const isBack = async (): Promise<boolean> => (await pool.status()).allocatedBytes === before.allocatedBytes;
  t.true((await comeBack(made, isBack, 10)) < 10);
});
