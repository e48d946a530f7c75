import test from 'ava';
import { blockSize, checksumBlocks, checksumOf, firstDamaged } from './checksum.ts';
import { xxhByHand } from './format/by-hand.ts';

test('the checksum is the low half of XXH64 by its published check values', (t) => {
  const vectors: readonly [Uint8Array, number][] = [
    [Buffer.from(''), 0x51d8e999],
    [Buffer.from('a'), 0xa98c6e5b],
    [Buffer.from('abc'), 0xad770999],
    [Buffer.from('The quick brown fox jumps over the lazy dog'), 0x1fda71bc],
  ];
  for (const [bytes, expected] of vectors) {
    t.is(checksumOf(bytes), expected);
    t.is(xxhByHand(bytes), expected);
  }
});

test('each block has a checksum of its own, from the index that was asked for', (t) => {
  const bytes = new Uint8Array(8192);
  bytes[4096] = 1;
  const into = new Uint32Array(4);
  checksumBlocks(bytes, into, 1);
  t.deepEqual([...into], [0, xxhByHand(bytes.subarray(0, 4096)), xxhByHand(bytes.subarray(4096)), 0]);
});

function bytesOf(blocks: number): Uint8Array {
  return Uint8Array.from({ length: blocks * blockSize }, (_, index) => Math.imul(index, 2654435761) >>> 24);
}

for (const blocks of [1, 2, 3, 64]) {
  test(`${blocks} blocks that match their checksums are not damaged, wherever these begin`, (t) => {
    const checksums = new Uint32Array(blocks + 5);
    checksumBlocks(bytesOf(blocks), checksums, 3);
    t.is(firstDamaged(bytesOf(blocks), checksums, 3), -1);
  });

  test(`of ${blocks} blocks each is found by one flipped bit, or by its wrong checksum`, (t) => {
    const checksums = new Uint32Array(blocks);
    checksumBlocks(bytesOf(blocks), checksums, 0);
    for (let block = 0; block < blocks; block += 1) {
      const bytes = bytesOf(blocks);
      bytes[block * blockSize + 1234] = (bytes[block * blockSize + 1234] ?? 0) ^ 0x04;
      t.is(firstDamaged(bytes, checksums, 0), block);
      const wrong = checksums.slice();
      wrong[block] = ~(wrong[block] ?? 0);
      t.is(firstDamaged(bytesOf(blocks), wrong, 0), block);
    }
  });
}

test('the first of several damaged blocks is found', (t) => {
  const checksums = new Uint32Array(16);
  const bytes = bytesOf(16);
  checksumBlocks(bytes, checksums, 0);
  bytes.fill(0, 5 * blockSize, 9 * blockSize);
  t.is(firstDamaged(bytes, checksums, 0), 5);
});
