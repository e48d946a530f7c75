import { KiB, type ObjectId, type ObjectStore, type Settled } from '@ashlar/core';
import { noise, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { openPool, type ChunkPool } from './pool.ts';

const blockBytes = 4 * KiB;
const chunkBytes = 64 * KiB;
const capacityBytes = 512 * KiB;

/** A volume in a small pool on a simulated machine, which `settled` runs until something has. */
type Small = {
  readonly machine: SimulatedMachine;
  readonly pool: ChunkPool;
  readonly store: ObjectStore;
  readonly object: ObjectId;
  readonly settled: <T>(operation: T | Promise<T>) => Promise<T>;
};

async function makeSmall(compression: 'off' | 'zstd', sizeBytes = chunkBytes): Promise<Small> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const settled = <T>(operation: T | Promise<T>): Promise<T> => machine.finish(operation);
  const pool = await settled(
    openPool(machine.host, '/pool', {
      chunkSizeBytes: chunkBytes,
      journalBytes: 10 * 1024 * KiB,
      capacityBytes,
      openRecords: () => machine.openRecords(),
    }),
  );
  const id = await settled(pool.createStore());
  if (compression !== 'off') await settled(pool.setCompression(id, compression));
  const store = await pool.openStore(id);
  return { machine, pool, store, object: await settled(store.create(sizeBytes, 'off')), settled };
}

/** Another volume is given all that is said to be free: then nothing that was let in before takes more than there is. */
async function takesNoMore(t: ExecutionContext, { pool, settled }: Small): Promise<void> {
  const other = await pool.openStore(await settled(pool.createStore()));
  const free = (await pool.status()).availableBytes;
  await settled(other.write(await settled(other.create(free, 'off')), 0, noise(5, free), true));
  await settled(pool.checkpoint());
  t.true((await pool.status()).usedBytes <= capacityBytes);
}

/**
 * A block that lies by itself, beside those of three snapshots, is written over when the checkpoint that compresses its chunk has come so many steps
 * far. Gives whether the checkpoint still ran.
 */
async function overwriteDuring(t: ExecutionContext, steps: number): Promise<boolean> {
  const small = await makeSmall('zstd');
  const { machine, object, pool, settled, store } = small;
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
  await takesNoMore(t, small);
  const found = new Uint8Array(blockBytes);
  await settled(store.read(object, offset, found));
  t.deepEqual(found, wanted);
  await settled(pool.close());
  return ranStill;
}

test('what is overwritten while a checkpoint compresses its chunk has room where all must be copied together', async (t) => {
  let steps = 0;
  while (await overwriteDuring(t, steps)) steps += 1;
  t.true(steps > 4, 'the checkpoint was met in many places');
});

for (const isHome of [false, true]) {
  test(`kept room that the first write behind a snapshot moves is counted, ${isHome ? 'when it is home' : 'before it is home'}`, async (t) => {
    const small = await makeSmall('off');
    const { object, pool, settled, store } = small;
    await settled(store.zero(object, 0, chunkBytes, true, true));
    if (isHome) await settled(pool.checkpoint());
    await settled(store.snapshot());
    await settled(store.write(object, 0, noise(1, blockBytes), true));
    await takesNoMore(t, small);
    await settled(pool.close());
  });
}

/** Two chunks that are home are changed, and when that has come so many steps far a snapshot is taken. Gives whether the change still ran. */
async function changedDuringSnapshot(
  t: ExecutionContext,
  steps: number,
  change: (store: ObjectStore, object: ObjectId) => Settled<void>,
): Promise<boolean> {
  const small = await makeSmall('off', 2 * chunkBytes);
  const { machine, object, pool, settled, store } = small;
  await settled(store.write(object, 0, noise(1, 2 * chunkBytes), true));
  await settled(pool.checkpoint());
  let isRunning = true;
  const changed = Promise.resolve(change(store, object)).finally(() => {
    isRunning = false;
  });
  for (let step = 0; step < steps; step += 1) await machine.step();
  const ranStill = isRunning;
  await settled(store.snapshot());
  await settled(changed);
  await takesNoMore(t, small);
  await settled(pool.close());
  return ranStill;
}

for (const [what, change] of [
  ['written', (store, object) => store.write(object, 0, noise(2, 2 * chunkBytes - blockBytes), false)],
  ['cleared, with its room kept,', (store, object) => store.zero(object, 0, 2 * chunkBytes, true, false)],
] as const satisfies readonly (readonly [string, Parameters<typeof changedDuringSnapshot>[2]])[]) {
  test(`what is ${what} has room behind a snapshot that is taken meanwhile`, async (t) => {
    let steps = 0;
    while (await changedDuringSnapshot(t, steps, change)) steps += 1;
    t.true(steps > 0);
  });
}
