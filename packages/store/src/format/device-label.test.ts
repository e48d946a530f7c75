import { AshlarError, KiB } from '@ashlar/core';
import test from 'ava';
import { sealedFromHex } from './by-hand.ts';
import { decodeDeviceLabel, encodeDeviceLabel } from './device-label.ts';

/** Magic, version, bytes of a slot (64 KiB), the pool's id, slots. */
const written = `
  4153484c41524456 01000000 00000100 00112233445566778899aabbccddeeff
  0500000001000000`;

const label = { poolId: '00112233445566778899aabbccddeeff', slotBytes: 64 * KiB, slots: 2 ** 32 + 5 };

function kindOf(bytes: Uint8Array): string {
  try {
    return decodeDeviceLabel(bytes, '/dev/x') === undefined ? 'none' : 'accepted';
  } catch (error) {
    return error instanceof AshlarError ? error.kind : String(error);
  }
}

test('a label is the bytes that the page says', (t) => {
  t.deepEqual(Buffer.from(encodeDeviceLabel(label)), sealedFromHex(written));
});

test('a label written by hand is read', (t) => {
  t.deepEqual(decodeDeviceLabel(sealedFromHex(written), '/dev/x'), label);
});

test('what is cut short or has another magic is no label', (t) => {
  t.is(kindOf(new Uint8Array(0)), 'none');
  t.is(kindOf(new Uint8Array(4096)), 'none');
  t.is(kindOf(sealedFromHex(written).subarray(0, 4095)), 'none');
});

test('a label of a newer program is told from a damaged one', (t) => {
  t.is(kindOf(sealedFromHex(written.replace('01000000', '02000000'))), 'unsupported');
  const damaged = sealedFromHex(written);
  damaged[40] = 1;
  t.is(kindOf(damaged), 'corrupt');
});
