import { zstdDecompressSync } from 'node:zlib';
import { KiB } from '@ashlar/core';
import { noise } from '@ashlar/testing';
import test from 'ava';
import { zstdCompressOffThread } from './zstd.ts';

const level = 3;

/** Bytes that compress to about a half, other ones for each seed. */
function halfNoise(seed: number): Uint8Array {
  const bytes = new Uint8Array(64 * KiB);
  bytes.set(noise(seed, 32 * KiB));
  return bytes;
}

test('what is compressed off the thread, many at once, is frames that another zstd reads', async (t) => {
  const given = Array.from({ length: 40 }, (_, index) => halfNoise(index + 1));
  const made = await Promise.all(
    given.map(async (bytes) => {
      const room = new Uint8Array(bytes.length);
      return room.subarray(0, await zstdCompressOffThread(bytes, room, level));
    }),
  );
  for (const [index, frame] of made.entries()) {
    t.true(frame.length > 32 * KiB && frame.length < 33 * KiB);
    t.deepEqual(new Uint8Array(zstdDecompressSync(frame)), given[index]!);
  }
});

test('what has no room for its frame off the thread is told so, and the next one is compressed as ever', async (t) => {
  const bytes = halfNoise(1);
  t.is(await zstdCompressOffThread(bytes, new Uint8Array(1000), level), -1);
  const room = new Uint8Array(bytes.length);
  const length = await zstdCompressOffThread(bytes, room, level);
  t.deepEqual(new Uint8Array(zstdDecompressSync(room.subarray(0, length))), bytes);
});
