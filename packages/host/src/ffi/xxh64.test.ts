import test from 'ava';
import { firstOtherXxh64, xxh64Blocks, xxh64Low } from './xxh64.ts';

const ofAbc = 0xad770999;
const ofNothing = 0x51d8e999;

test('a view is hashed in its place', (t) => {
  t.is(xxh64Low(Buffer.from('..abc..').subarray(2, 5)), ofAbc);
});

test('nothing has the hash of nothing, wherever it is', (t) => {
  t.is(xxh64Low(new Uint8Array(0)), ofNothing);
  t.is(xxh64Low(Buffer.from('abc').subarray(3)), ofNothing);
});

test('no more is hashed than is asked for', (t) => {
  t.is(xxh64Low(Buffer.from('abcdef'), 3), ofAbc);
  t.throws(() => xxh64Low(Buffer.from('abc'), 4));
});

test('each whole block has its hash, from the index that was asked for', (t) => {
  const into = new Uint32Array(5);
  xxh64Blocks(Buffer.from('.abcabcab').subarray(1), 3, into, 1);
  t.deepEqual([...into], [0, ofAbc, ofAbc, 0, 0]);
});

test('the first block with another hash is found', (t) => {
  const hashes = Uint32Array.of(0, ofAbc, ofAbc, ofAbc);
  t.is(firstOtherXxh64(Buffer.from('abcabcabc'), 3, hashes, 1), -1);
  t.is(firstOtherXxh64(Buffer.from('abcabdabd'), 3, hashes, 1), 1);
  t.is(firstOtherXxh64(Buffer.from('abcabcabc'), 3, hashes, 0), 0);
});
