import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB, KiB, MiB, type ObjectStore, type SnapshotId } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { SeededRandom } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { openPool, type ChunkPool } from './pool.ts';

const sizeBytes = 4 * MiB;
/** More than a volume ever has of its own. */
const reservedBytes = GiB;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB, chunkSizeBytes: 64 * KiB, deadLeavesAtOnce: 1 };

/** Brings all home, and lets what was deleted be freed and counted. */
async function settle(pool: ChunkPool): Promise<void> {
  for (let count = 0; count < 12; count += 1) await pool.checkpoint();
}

/** Until snapshots and clones are compared, what is kept is no less than what the volume lacks; then exactly that. */
async function isExact(t: ExecutionContext, pool: ChunkPool, store: ObjectStore, object: number): Promise<void> {
  await pool.checkpoint();
  const { exclusiveBytes } = await store.spaceOf(object);
  t.true((await pool.status()).reservedBytes >= reservedBytes - exclusiveBytes);
  await settle(pool);
  const own = (await store.spaceOf(object)).exclusiveBytes;
  t.is((await pool.status()).reservedBytes, reservedBytes - own);
}

/** What compresses, and in the third round does not. */
function bytesOf(round: number, length: number, random: SeededRandom): Uint8Array {
  const bytes = new Uint8Array(length).fill(round + 1);
  if (round % 3 === 0) random.fill(bytes);
  return bytes;
}

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  const isCompressed = seed > 4;
  const how = isCompressed ? 'compressed, ' : '';
  test(`what is kept for a volume is what it lacks, ${how}through snapshots, clones, rollbacks and restarts (${seed})`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ashlar-own-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const random = new SeededRandom(seed);
    let pool = await openPool(createRealHost(), directory, options);
    let storeId = await pool.createStore();
    if (isCompressed) await pool.setCompression(storeId, 'zstd');
    let store = await pool.openStore(storeId);
    const object = await store.create(sizeBytes, 'off');
    let snapshots: SnapshotId[] = [];
    await pool.reserve(storeId, reservedBytes, false);
    for (let round = 0; round < 120; round += 1) {
      const offset = random.below(sizeBytes / 4096) * 4096;
      const length = Math.min(random.pick([4096, 16_384, 100 * 4096]), sizeBytes - offset);
      const kind = random.below(20);
      if (kind < 10) await store.write(object, offset, bytesOf(round, length, random), false);
      else if (kind < 12) await store.trim(object, offset, length, false);
      else if (kind < 13) await store.zero(object, offset, length, true, false);
      else if (kind < 16) snapshots.push(await store.snapshot());
      else if (kind < 18 && snapshots.length > 0) {
        const [gone] = snapshots.splice(random.below(snapshots.length), 1);
        await store.deleteSnapshot(gone!);
      } else if (kind === 18 && snapshots.length > 0) {
        await store.close();
        await pool.rollBack(storeId, snapshots.at(-1)!);
        store = await pool.openStore(storeId);
      } else if (kind === 19 && random.oneIn(2)) {
        await pool.close();
        pool = await openPool(createRealHost(), directory, options);
        store = await pool.openStore(storeId);
        await pool.reserve(storeId, reservedBytes, false);
      } else if (kind === 19 && snapshots.length > 0) {
        const clone = await pool.cloneStore(storeId, snapshots.at(-1)!);
        await pool.reserve(storeId, 0, true);
        await store.close();
        [storeId, snapshots] = [clone, []];
        store = await pool.openStore(storeId);
        await pool.reserve(storeId, reservedBytes, false);
      }
      if (random.oneIn(6)) await isExact(t, pool, store, object);
    }
    await isExact(t, pool, store, object);
    await pool.close();
  });
}
