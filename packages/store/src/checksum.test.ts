import test from 'ava';
import { checksumBlocks, checksumOf } from './checksum.ts';
import { crcByHand } from './format/by-hand.ts';

test('the checksum is CRC-32C by its published check values', (t) => {
  const vectors: readonly [Uint8Array, number][] = [
    [Buffer.from('123456789'), 0xe3069283],
    // RFC 3720, appendix B.4: 32 bytes of zeros, of ones, ascending.
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  ];
  for (const [bytes, expected] of vectors) {
    t.is(checksumOf(bytes), expected);
    t.is(crcByHand(bytes), expected);
  }
});

test('each block has a checksum of its own, from the index that was asked for', (t) => {
  const bytes = new Uint8Array(8192);
  bytes[4096] = 1;
  const into = new Uint32Array(4);
  checksumBlocks(bytes, into, 1);
  t.deepEqual([...into], [0, crcByHand(bytes.subarray(0, 4096)), crcByHand(bytes.subarray(4096)), 0]);
});
