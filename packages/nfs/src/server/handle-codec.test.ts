import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { HandleCodec } from './handle-codec.ts';

const codec = new HandleCodec(Buffer.alloc(16, 5));
const isBad = { instanceOf: AshlarError } as const;

test('a handle names a file system and a file in it, in 32 to 56 bytes', (t) => {
  for (const length of [0, 1, 10, 12, 13, 36]) {
    const file = Buffer.alloc(length, 0xab);
    const handle = codec.encode(2n ** 64n - 2n, file);
    t.is(handle.length, Math.max(32, 20 + length));
    t.deepEqual(codec.decode(handle), { fileSystem: 2n ** 64n - 2n, file });
  }
});

test('it is the same with the same key, and worth nothing with another', (t) => {
  const file = Buffer.from('0123456789');
  t.deepEqual(new HandleCodec(Buffer.alloc(16, 5)).encode(7n, file), codec.encode(7n, file));
  const other = new HandleCodec(Buffer.alloc(16, 6)).encode(7n, file);
  t.is(t.throws(() => codec.decode(other), isBad)?.kind, 'bad-handle');
});

test('each bit that is another one makes it worth nothing', (t) => {
  const handle = codec.encode(7n, Buffer.from('0123456789'));
  for (let bit = 0; bit < handle.length * 8; bit += 1) {
    const damaged = Buffer.from(handle);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    t.is(t.throws(() => codec.decode(damaged), isBad)?.kind, 'bad-handle', String(bit));
  }
});

test('what is too short, too long or empty is none', (t) => {
  const handle = codec.encode(7n, Buffer.from('0123456789'));
  for (const bytes of [
    Buffer.alloc(0),
    handle.subarray(0, 31),
    Buffer.concat([handle, Buffer.alloc(1)]),
    Buffer.alloc(64, 1),
  ]) {
    t.is(t.throws(() => codec.decode(bytes), isBad)?.kind, 'bad-handle');
  }
});
