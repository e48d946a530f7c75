import { zstdCompressSync } from 'node:zlib';
import { KiB } from '@ashlar/core';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { countBits, hasBit, type Bits } from './map-leaf.ts';
import { PackedPiece, packPiece, seemsToPack } from './packed-piece.ts';

const blockBytes = 4096;

/** Of each block another byte, all over it. */
function blocksOf(bits: Bits): Uint8Array {
  const bytes = new Uint8Array(countBits(bits) * blockBytes);
  for (let at = 0; at < bytes.length; at += blockBytes) bytes.fill(at / blockBytes + 1, at, at + blockBytes);
  return bytes;
}

function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new SeededRandom(5).fill(bytes);
  return bytes;
}

/** A slot with those frames, whatever is said of them. */
function stored(
  blocks: number,
  { low, high }: Bits,
  frames: readonly Uint8Array[],
  lengths?: readonly number[],
): Buffer {
  const bytes = Buffer.alloc(blocks * blockBytes);
  bytes.write('ASZ1', 0, 'latin1');
  bytes.writeUInt32LE(low, 8);
  bytes.writeUInt32LE(high, 12);
  let at = 32;
  for (const [index, frame] of frames.entries()) {
    bytes.writeUInt32LE(lengths?.[index] ?? frame.length, 16 + index * 4);
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

const packed = (bits: Bits, bytes: Uint8Array): Uint8Array | undefined =>
  packPiece(bits, bytes, new Uint8Array(256 * KiB).fill(0xee));

const opened = (bytes: Uint8Array): PackedPiece | undefined => PackedPiece.of(bytes, new Uint8Array(256 * KiB));

test('a compressed piece is its header, frames of zstd of 16 blocks each, and zeros, in whole blocks', (t) => {
  const bits = { low: 0x80000001, high: 0xffff };
  const whole = Buffer.from(packed(bits, blocksOf(bits))!);
  const lengths = [16, 20, 24, 28].map((at) => whole.readUInt32LE(at));
  t.deepEqual(lengths.slice(2), [0, 0]);
  const [first = 0, second = 0] = lengths;
  const frames = [whole.subarray(32, 32 + first), whole.subarray(32 + first, 32 + first + second)];
  for (const frame of frames) t.is(frame.readUInt32LE(0), 0xfd2fb528);
  t.deepEqual(whole, stored(1, bits, frames));
});

test('what was compressed is there again, each block in its place', (t) => {
  const bits = { low: 0xfff0f0f0, high: 0x80fff001 };
  const bytes = blocksOf(bits);
  const piece = opened(packed(bits, bytes)!)!;
  t.deepEqual(piece.bits, bits);
  let rank = 0;
  for (let block = 0; block < 64; block += 1) {
    const expected = hasBit(bits, block)
      ? Buffer.from(bytes.subarray(rank * blockBytes, (rank += 1) * blockBytes))
      : undefined;
    const found = piece.blockAt(block);
    t.deepEqual(found === undefined ? undefined : Buffer.from(found), expected, `block ${block}`);
  }
  t.true(piece.isWhole);
});

test('a block is decompressed with those of its frame, and no others', (t) => {
  const bits = { low: 0xffffffff, high: 0 };
  const piece = opened(packed(bits, blocksOf(bits))!)!;
  t.is(piece.blockAt(17)?.[0], 18);
  t.deepEqual(
    [0, 15, 16, 31, 32].map((block) => piece.isUnpacked(block)),
    [false, false, true, true, false],
  );
});

test('nothing is compressed where that saves less than an eighth, or less than a block', (t) => {
  const all = { low: 0xffffffff, high: 0xffffffff };
  t.is(packed(all, noise(256 * KiB)), undefined);
  t.is(packed({ low: 1, high: 0 }, new Uint8Array(blockBytes).fill(7)), undefined);
  const bytes = noise(256 * KiB);
  bytes.fill(9, 0, 7 * blockBytes);
  t.is(packed(all, bytes), undefined);
  bytes.fill(9, 0, 10 * blockBytes);
  t.is(packed(all, bytes)?.length, 55 * blockBytes);
});

test('a large write is taken for one that compresses by the block in its middle', (t) => {
  t.false(seemsToPack(noise(64 * KiB)));
  t.true(seemsToPack(new Uint8Array(64 * KiB).fill(3)));
});

test('what is no compressed piece is none, and is never more than it says', (t) => {
  const bits = { low: 15, high: 0 };
  const frame = zstdCompressSync(blocksOf(bits));
  const { length } = frame;
  const isWhole = (bytes: Uint8Array): boolean => opened(bytes)?.isWhole ?? false;
  t.true(isWhole(stored(1, bits, [frame])));
  const other = stored(1, bits, [frame]);
  other[0] = 0;
  t.false(isWhole(other), 'another magic');
  t.false(isWhole(stored(1, bits, [frame], [4065])), 'longer than its blocks');
  t.false(isWhole(stored(1, bits, [frame], [length - 1])), 'cut short');
  t.false(isWhole(stored(1, { low: 7, high: 0 }, [frame])), 'more than its blocks');
  t.false(isWhole(stored(1, { low: 31, high: 0 }, [frame])), 'less than its blocks');
  t.false(isWhole(stored(1, { low: 0, high: 0 }, [frame])), 'of no block');
  t.false(isWhole(stored(1, bits, [noise(100)])), 'no frame');
  t.false(isWhole(stored(1, { low: 0x1ffff, high: 0 }, [frame])), 'one frame of two');
  t.false(isWhole(stored(1, bits, [zstdCompressSync(new Uint8Array(16 * 1024 * KiB))])), 'a frame of 16 MiB');
  t.is(opened(stored(1, bits, [noise(100)]))?.blockAt(0), undefined);
});
