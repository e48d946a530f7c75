import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { KiB, MiB, type ObjectStore } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { flip } from './inspect/damaging.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool, type ChunkPool, type PoolOptions } from './pool.ts';

test('a read of one block under a damaged page of the map is answered corrupt, and ends nothing else', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-damaged-page-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'pool');
  const pool = await openPool(createRealHost(), path, { journalBytes: 32 * MiB, overlayBytes: 8 * MiB });
  const store = await pool.createStore();
  const opened = await pool.openStore(store);
  const [damaged, whole] = [await opened.create(64 * MiB, 'off'), await opened.create(64 * MiB, 'off')];
  for (const object of [damaged, whole]) {
    // Leaves of the map apart from each other, so that there is a page above them.
    for (const offset of [0, 32 * MiB]) await opened.write(object, offset, new Uint8Array(64 * KiB).fill(7), false);
  }
  await pool.close();
  const inspection = PoolInspection.open(createRealHost(), path);
  const { root } = inspection.objectRecord(store, damaged)!;
  await inspection.close();
  flip(join(path, 'pages'), root!.page * 4096 + 100);
  const again = await openPool(createRealHost(), path, { journalBytes: 32 * MiB, overlayBytes: 8 * MiB });
  const reopened = await again.openStore(store);
  const block = new Uint8Array(4096);
  await failsWith(t, 'corrupt', () => reopened.read(damaged, 0, block));
  await reopened.read(whole, 0, block);
  t.deepEqual(block, new Uint8Array(4096).fill(7));
  await again.close();
});

/** A pool of a simulated machine with an object full of sevens, closed, a bit flipped at each of some places of its data, and opened again. */
async function damagedObject(
  sizeBytes: number,
  offsets: readonly number[],
): Promise<{ machine: SimulatedMachine; pool: ChunkPool; store: ObjectStore; object: number }> {
  const machine = new SimulatedMachine(1, { isDirect: false });
  machine.makeDurableDirectory('/pool');
  const options = (): PoolOptions => ({
    chunkSizeBytes: 64 * KiB,
    cacheBytes: 0,
    openRecords: () => machine.openRecords(),
  });
  const first = await machine.finish(openPool(machine.host, '/pool', options()));
  const id = await machine.finish(Promise.resolve(first.createStore()));
  const opened = await first.openStore(id);
  const object = await machine.finish(Promise.resolve(opened.create(sizeBytes, 'off')));
  await machine.finish(Promise.resolve(opened.write(object, 0, new Uint8Array(sizeBytes).fill(7), false)));
  await machine.finish(first.close());
  machine.crash(false);
  for (const offset of offsets) machine.flipBit('/pool/data/000000', offset);
  const pool = await machine.finish(openPool(machine.host, '/pool', options()));
  return { machine, pool, store: await pool.openStore(id), object };
}

test('a read over several damaged places, some of which are read at once and some later, is answered once', async (t) => {
  const eachChunk = Array.from({ length: 8 }, (_, slot) => slot * 64 * KiB + 5000);
  const { machine, pool, store, object } = await damagedObject(512 * KiB, eachChunk);
  for (let round = 0; round < 50; round += 1) {
    await failsWith(t, 'corrupt', () =>
      machine.finish(Promise.try(() => store.read(object, 0, new Uint8Array(512 * KiB)))),
    );
  }
  await machine.finish(pool.close());
});

test('the last block of an object, a part of one, is well again when all that it has of it is written', async (t) => {
  const { machine, pool, store, object } = await damagedObject(8192 + 100, [8192 + 50]);
  await failsWith(t, 'corrupt', () => machine.finish(Promise.try(() => store.read(object, 8192, new Uint8Array(100)))));
  await machine.finish(Promise.resolve(store.write(object, 8192, new Uint8Array(100).fill(9), true)));
  const bytes = new Uint8Array(8192 + 100);
  await machine.finish(Promise.resolve(store.read(object, 0, bytes)));
  t.deepEqual(bytes.subarray(8192), new Uint8Array(100).fill(9));
  await machine.finish(pool.close());
});
