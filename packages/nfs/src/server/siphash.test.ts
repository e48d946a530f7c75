import test from 'ava';
import { sipHash } from './siphash.ts';

const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

/** Of the first so many bytes 00, 01, 02, … (vectors.h of the reference implementation). */
const vectors: Readonly<Record<number, string>> = {
  0: '310e0edd47db6f72',
  1: 'fd67dc93c539f874',
  2: '5a4fa9d909806c0d',
  7: '37d1018bf50002ab',
  8: '6224939a79f5f593',
  15: 'e545be4961ca29a1',
  63: '724506eb4c328a95',
};

test('bytes of each length have the hash of the reference implementation', (t) => {
  for (const [length, hex] of Object.entries(vectors)) {
    const into = Buffer.alloc(10);
    const bytes = Buffer.from(Array.from({ length: Number(length) + 1 }, (_, at) => at));
    sipHash(key, bytes, Number(length), into, 1);
    t.is(into.subarray(1, 9).toString('hex'), hex, length);
  }
});

test('another key gives another hash', (t) => {
  const [one, other] = [Buffer.alloc(8), Buffer.alloc(8)];
  sipHash(key, Buffer.from('handle'), 6, one, 0);
  sipHash(Buffer.alloc(16, 7), Buffer.from('handle'), 6, other, 0);
  t.notDeepEqual(one, other);
});
