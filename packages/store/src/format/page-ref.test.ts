import test from 'ava';
import fc from 'fast-check';
import { fromHex } from './by-hand.ts';
import { readRef, refsEach, writeRef } from './page-ref.ts';

/** Page 2 (as 3.0), birth 5.0, checksum, 12 reserved. */
const written = '0000000000000840 0000000000001440 efbeadde 000000000000000000000000';
const ref = { page: 2, birth: 5, checksum: 0xdeadbeef };

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('a reference is 32 bytes, and a page holds 128 of them', (t) => {
  const bytes = Buffer.alloc(4096);
  writeRef(viewOf(bytes), 1, ref);
  t.deepEqual(bytes, Buffer.concat([Buffer.alloc(32), fromHex(written, 4096 - 32)]));
  t.is(refsEach, 128);
});

test('a reference written by hand is read, and zeros are none', (t) => {
  const view = viewOf(Uint8Array.from(fromHex(written, 4096)));
  t.deepEqual(readRef(view, 0), ref);
  t.is(readRef(view, 1), undefined);
});

test('a reference that is taken away leaves zeros', (t) => {
  const bytes = Uint8Array.from(fromHex(written, 4096));
  writeRef(viewOf(bytes), 0, undefined);
  t.deepEqual(bytes, new Uint8Array(4096));
});

test('every reference comes back as it was written', (t) => {
  const view = viewOf(new Uint8Array(4096));
  fc.assert(
    fc.property(
      fc.nat({ max: refsEach - 1 }),
      fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }),
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.nat({ max: 0xffffffff }),
      (index, page, birth, checksum) => {
        writeRef(view, index, { page, birth, checksum });
        t.deepEqual(readRef(view, index), { page, birth, checksum });
      },
    ),
  );
});
