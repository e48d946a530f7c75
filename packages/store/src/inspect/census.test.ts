import test from 'ava';
import { Census } from './census.ts';

const bitmapBytes = 4096;

function bitmap(...slots: number[]): Uint8Array {
  const bytes = new Uint8Array(bitmapBytes);
  for (const slot of slots) bytes[slot >>> 3] = (bytes[slot >>> 3] ?? 0) | (1 << (slot & 7));
  return bytes;
}

test('what is claimed and never seen is leaked, what is seen and not claimed is told, both as runs', (t) => {
  const census = new Census(70_000);
  t.true(census.claim(0, bitmap(1, 2, 3, 9, 32_767)));
  t.true(census.claim(1, bitmap(0)));
  t.is(census.claimedCount, 6);
  t.is(census.see(2), 'first');
  t.is(census.see(20), 'first');
  t.is(census.see(21), 'first');
  t.deepEqual(
    [...census.leaked()],
    [
      { first: 1, end: 2 },
      { first: 3, end: 4 },
      { first: 9, end: 10 },
      { first: 32_767, end: 32_769 },
    ],
  );
  t.deepEqual([...census.unclaimed()], [{ first: 20, end: 22 }]);
});

test('a place that is seen twice is told, and so is one that is not there', (t) => {
  const census = new Census(100);
  t.is(census.see(7), 'first');
  t.is(census.see(7), 'again');
  t.is(census.see(2 ** 40), 'outside');
  t.is(census.see(-1), 'outside');
  t.is(census.see(Number.NaN), 'outside');
});

test('of what a lost bitmap says the use of nothing is told', (t) => {
  const census = new Census(70_000);
  census.claim(0, bitmap(5));
  census.lose(1);
  census.see(40_000);
  t.deepEqual([...census.leaked()], [{ first: 5, end: 6 }]);
  t.deepEqual([...census.unclaimed()], []);
});

test('a bitmap of places that are not there may say nothing but that they are free', (t) => {
  const census = new Census(100);
  t.true(census.claim(1, bitmap()));
  t.false(census.claim(1, bitmap(3)));
});
