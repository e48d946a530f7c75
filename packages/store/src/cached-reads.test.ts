import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GiB, KiB, MiB } from '@ashlar/core';
import { createRealHost, type Host, type HostFile } from '@ashlar/host';
import { withFiles } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { openPool, type ChunkPool } from './pool.ts';

type Reads = { readonly lengths: number[] };

/** A host that notes each read of a data file. */
function counting(host: Host, reads: Reads): Host {
  return withFiles(host, (file) => (file.path.includes('/data/') ? countingFile(file, reads) : file));
}

function countingFile(file: HostFile, { lengths }: Reads): HostFile {
  return new Proxy(file, {
    get: (target, name) => {
      if (name === 'read') {
        return (offset: number, into: Uint8Array) => {
          lengths.push(into.length);
          return target.read(offset, into);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

/** A pool that was opened anew, so that nothing of it is in memory, and an object with 2 MiB of data behind a hole of 1 GiB. */
async function opened(t: ExecutionContext, cacheBytes = 64 * MiB) {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-prefetch-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'pool');
  const settings = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB, cacheBytes };
  const first = await openPool(createRealHost(), path, settings);
  const id = await first.createStore();
  const writer = await first.openStore(id);
  const object = await writer.create(4 * GiB, 'off');
  for (let at = 0; at < 2 * MiB; at += 256 * KiB) await writer.write(object, GiB + at, filled(256 * KiB, 7), false);
  await first.close();
  const reads: Reads = { lengths: [] };
  const pool: ChunkPool = await openPool(counting(createRealHost(), reads), path, settings);
  t.teardown(() => pool.close());
  reads.lengths.length = 0;
  return { pool, store: await pool.openStore(id), object, reads };
}

const bytesOf = ({ lengths }: Reads): number => lengths.reduce((sum, length) => sum + length, 0);

test('what was prefetched is read without asking the disk', async (t) => {
  const { pool, store, object, reads } = await opened(t);
  await store.prefetch(object, 0, 4 * GiB);
  t.is(bytesOf(reads), 2 * MiB, 'holes cost nothing, and each block is read once');
  t.true(Math.max(...reads.lengths) <= 64 * KiB, 'never much at once');
  t.true((await pool.status()).cacheBytes >= 2 * MiB);
  reads.lengths.length = 0;
  const into = new Uint8Array(4 * KiB);
  for (let at = 0; at < 2 * MiB; at += into.length) {
    await store.read(object, GiB + at, into);
    t.is(into[99], 7);
  }
  await store.prefetch(object, GiB, 2 * MiB);
  t.deepEqual(reads.lengths, []);
});

test('a prefetch of a part brings that part, whatever it begins and ends at', async (t) => {
  const { store, object, reads } = await opened(t);
  await store.prefetch(object, GiB + 100 * KiB + 1, 10);
  t.true(bytesOf(reads) > 0 && bytesOf(reads) <= 64 * KiB);
  reads.lengths.length = 0;
  await store.read(object, GiB + 100 * KiB, new Uint8Array(4 * KiB));
  t.deepEqual(reads.lengths, []);
});

test('no more is prefetched than the cache holds', async (t) => {
  const { store, object, reads } = await opened(t, MiB);
  await store.prefetch(object, GiB, 2 * MiB);
  t.true(bytesOf(reads) <= MiB + 64 * KiB);
  t.true(bytesOf(reads) >= MiB / 2);
});

test('without a cache a prefetch asks for nothing', async (t) => {
  const { store, object, reads } = await opened(t, 0);
  await store.prefetch(object, GiB, 2 * MiB);
  t.deepEqual(reads.lengths, []);
});

test('what was written meanwhile is what is read behind a prefetch', async (t) => {
  const { store, object } = await opened(t);
  const prefetching = store.prefetch(object, GiB, 2 * MiB);
  for (let at = 0; at < 2 * MiB; at += 64 * KiB) await store.write(object, GiB + at, filled(4 * KiB, 8), false);
  await prefetching;
  const into = new Uint8Array(4 * KiB);
  for (let at = 0; at < 2 * MiB; at += 64 * KiB) {
    await store.read(object, GiB + at, into);
    t.deepEqual(into, filled(4 * KiB, 8));
  }
});

test('a prefetch outside of the object is refused', async (t) => {
  const { store, object } = await opened(t);
  t.throws(() => store.prefetch(object, 4 * GiB, 1), { message: /.*/ });
});

test('what the cache has room for is read without asking the disk, however much was written behind snapshots of it', async (t) => {
  const { pool, store, object, reads } = await opened(t, 4 * MiB);
  await store.prefetch(object, GiB, 2 * MiB);
  const blocks = (2 * MiB) / (4 * KiB);
  for (let round = 0; round < 12; round += 1) {
    await store.snapshot();
    for (let block = round % 3; block < blocks; block += 3) {
      await store.write(object, GiB + block * 4 * KiB, filled(4 * KiB, round), false);
    }
    await pool.checkpoint();
  }
  reads.lengths.length = 0;
  const into = new Uint8Array(4 * KiB);
  for (let block = 0; block < blocks; block += 1) {
    await store.read(object, GiB + block * 4 * KiB, into);
    t.is(into[0], 9 + (block % 3));
  }
  t.deepEqual(reads.lengths, []);
});
