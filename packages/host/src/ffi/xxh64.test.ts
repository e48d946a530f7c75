import test from 'ava';
import { xxh64Low } from './xxh64.ts';

test('a range of a buffer is hashed in its place', (t) => {
  const bytes = Buffer.from('..abc..');
  t.is(xxh64Low(bytes, 2, 3), 0xad770999);
  t.is(xxh64Low(bytes.subarray(1), 1, 3), 0xad770999);
});

test('nothing has the hash of nothing, wherever it is', (t) => {
  t.is(xxh64Low(new Uint8Array(0), 0, 0), 0x51d8e999);
  t.is(xxh64Low(Buffer.from('abc'), 3, 0), 0x51d8e999);
});
