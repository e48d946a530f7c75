import { AshlarError, KiB } from '@ashlar/core';
import test from 'ava';
import fc from 'fast-check';
import { sealedFromHex } from './by-hand.ts';
import { chunkSizes, decodeSuperblock, encodeSuperblock } from './superblock.ts';

const poolId = '00112233445566778899aabbccddeeff';

/** Magic, version, kind of checksum, id, chunk size of 256 KiB, the three feature words. */
const written = `
  4153484c41523031 04000000 01000000 00112233445566778899aabbccddeeff
  00000400 80000000 00000000 00000000`;

function kindOf(bytes: Uint8Array): string {
  try {
    decodeSuperblock(bytes, '/pool/ashlar.pool');
    return 'accepted';
  } catch (error) {
    return error instanceof AshlarError ? error.kind : String(error);
  }
}

const superblock = {
  poolId,
  chunkSizeBytes: 256 * KiB,
  compatible: 128,
  readOnlyCompatible: 0,
  incompatible: 0,
};

test('a superblock is the bytes that the page says', (t) => {
  t.deepEqual(Buffer.from(encodeSuperblock(superblock)), sealedFromHex(written));
});

test('a superblock written by hand is read', (t) => {
  t.deepEqual(decodeSuperblock(sealedFromHex(written), 'x'), superblock);
});

test('a superblock says where the device is that the data lies on', (t) => {
  const onDevice = { ...superblock, compatible: 0, incompatible: 2, device: '/dev/vg/datén' };
  // The length of the path in bytes, and the path.
  const digits = `${written.replace('80000000 00000000 00000000', '00000000 00000000 02000000')}
    0e000000 2f6465762f76672f646174c3a96e`;
  t.deepEqual(Buffer.from(encodeSuperblock(onDevice)), sealedFromHex(digits));
  t.deepEqual(decodeSuperblock(sealedFromHex(digits), 'x'), onDevice);
  t.throws(() => encodeSuperblock({ ...onDevice, device: 'x'.repeat(1025) }), { message: /at most 1,024 bytes/ });
});

test('what is cut short or has another magic is no pool', (t) => {
  t.is(kindOf(new Uint8Array(0)), 'invalid');
  t.is(kindOf(sealedFromHex(written).subarray(0, 4095)), 'invalid');
  t.is(kindOf(sealedFromHex(written.replace('4153484c', '4153484d'))), 'invalid');
});

test('any flipped bit of a superblock is found', (t) => {
  const outcomes = new Set<string>();
  for (let byte = 0; byte < 4096; byte += 1) {
    const bytes = sealedFromHex(written);
    bytes[byte] = (bytes[byte] ?? 0) ^ (1 << (byte & 7));
    outcomes.add(kindOf(bytes));
  }
  t.deepEqual([...outcomes].sort(), ['corrupt', 'invalid']);
});

test('another version, kind of checksum, or feature that must be known belongs to a newer program', (t) => {
  t.is(kindOf(sealedFromHex(written.replace('04000000', '05000000'))), 'unsupported');
  t.is(kindOf(sealedFromHex(written.replace('04000000 01000000', '04000000 02000000'))), 'unsupported');
  t.is(
    kindOf(sealedFromHex(written.replace('80000000 00000000 00000000', '80000000 02000000 00000000'))),
    'unsupported',
  );
  t.is(
    kindOf(sealedFromHex(written.replace('80000000 00000000 00000000', '80000000 00000000 00000080'))),
    'unsupported',
  );
});

test('a pool of an older format is refused, and the sentence says so', (t) => {
  const older = sealedFromHex(written.replace('04000000', '03000000'));
  t.throws(() => decodeSuperblock(older, '/pool/ashlar.pool'), { instanceOf: AshlarError, message: /older Ashlar/ });
});

test('a chunk size that no pool has is refused', (t) => {
  for (const size of ['00000000', '01000000', '00800000', '00000800', 'ffffffff']) {
    t.is(kindOf(sealedFromHex(written.replace('00000400', size))), 'corrupt', size);
  }
});

test('every superblock comes back as it was written', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.constantFrom(...chunkSizes),
      fc.nat(),
      (id, chunkSizeBytes, compatible) => {
        const given = { ...superblock, poolId: Buffer.from(id).toString('hex'), chunkSizeBytes, compatible };
        t.deepEqual(decodeSuperblock(encodeSuperblock(given), 'x'), given);
      },
    ),
  );
});
