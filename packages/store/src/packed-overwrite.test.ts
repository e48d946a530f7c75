import { KiB } from '@ashlar/core';
import { SeededRandom, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { openPool, type PoolOptions } from './pool.ts';

const blockBytes = 4 * KiB;
const capacityBytes = 512 * KiB;

function noise(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new SeededRandom(seed).fill(bytes);
  return bytes;
}

/**
 * A block that lies by itself, beside those of three snapshots, is written over when the checkpoint that compresses its chunk has come so many steps
 * far; then another volume is given all that is said to be free. Gives whether the checkpoint still ran.
 */
async function overwriteDuring(t: ExecutionContext, steps: number): Promise<boolean> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const options: PoolOptions = {
    chunkSizeBytes: 64 * KiB,
    journalBytes: 10 * 1024 * KiB,
    capacityBytes,
    openRecords: () => machine.openRecords(),
  };
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(Promise.resolve(operation));
  const pool = await settled(openPool(machine.host, '/pool', options));
  const [packed, filler] = [await settled(pool.createStore()), await settled(pool.createStore())];
  await settled(pool.setCompression(packed, 'zstd'));
  const store = await pool.openStore(packed);
  const object = await settled(store.create(64 * KiB, 'off'));
  for (let piece = 0; piece < 3; piece += 1) {
    await settled(store.write(object, piece * 3 * blockBytes, noise(piece, 3 * blockBytes), true));
    await settled(store.snapshot());
  }
  const offset = 9 * blockBytes;
  await settled(store.write(object, offset, noise(3, blockBytes), true));
  await settled(pool.checkpoint());
  await settled(store.write(object, offset + blockBytes, new Uint8Array(6 * blockBytes).fill(2), true));
  let isRunning = true;
  const checkpoint = pool.checkpoint().finally(() => {
    isRunning = false;
  });
  for (let step = 0; step < steps; step += 1) await machine.step();
  const ranStill = isRunning;
  const wanted = noise(4, blockBytes);
  await settled(store.write(object, offset, wanted, true));
  await settled(checkpoint);

  const other = await pool.openStore(filler);
  const free = (await pool.status()).availableBytes;
  const filled = await settled(other.create(free, 'off'));
  await settled(other.write(filled, 0, noise(5, free), true));
  await settled(pool.checkpoint());
  t.true((await pool.status()).usedBytes <= capacityBytes);
  const found = new Uint8Array(blockBytes);
  await settled(store.read(object, offset, found));
  t.deepEqual(found, wanted);
  await settled(pool.close());
  return ranStill;
}

test('what is overwritten while a checkpoint compresses what lies there has its room counted', async (t) => {
  let steps = 0;
  while (await overwriteDuring(t, steps)) steps += 1;
  t.true(steps > 4, 'the checkpoint was met in many places');
});
