import test from 'ava';
import { hasZeroBlock, isZero, zeroRuns } from './zero-runs.ts';

test('bytes are zeros where all of them are', (t) => {
  for (const length of [0, 1, 7, 8, 4096, 200_000]) {
    const bytes = new Uint8Array(length);
    t.true(isZero(bytes));
    for (const at of [0, Math.floor(length / 2), length - 1].filter((each) => each >= 0 && each < length)) {
      bytes[at] = 1;
      t.false(isZero(bytes), `${at} of ${length}`);
      t.true(isZero(bytes, at + 1));
      t.true(isZero(bytes, 0, at));
      bytes[at] = 0;
    }
  }
});

test('runs of zeros are told in whole blocks, the last of which may be shorter', (t) => {
  const bytes = new Uint8Array(10_000);
  t.deepEqual([...zeroRuns(bytes, 4096)], [{ isZero: true, start: 0, end: 10_000 }]);
  bytes[4096] = 1;
  t.deepEqual(
    [...zeroRuns(bytes, 4096)],
    [
      { isZero: true, start: 0, end: 4096 },
      { isZero: false, start: 4096, end: 8192 },
      { isZero: true, start: 8192, end: 10_000 },
    ],
  );
  bytes[9999] = 1;
  t.deepEqual([...zeroRuns(bytes, 4096)].at(-1), { isZero: false, start: 4096, end: 10_000 });
  t.deepEqual([...zeroRuns(new Uint8Array(0), 4096)], []);
});

test('a block of zeros is found wherever it is', (t) => {
  const bytes = new Uint8Array(3 * 4096).fill(1);
  t.false(hasZeroBlock(bytes, 4096));
  t.true(hasZeroBlock(bytes.fill(0, 8192), 4096));
});
