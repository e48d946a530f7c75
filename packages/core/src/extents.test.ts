import test from 'ava';
import { AshlarError, errorKindOf, mergeExtents } from './index.ts';

test('neighbouring extents of one state become one, others stay', (t) => {
  t.deepEqual(
    mergeExtents([
      { offset: 0, length: 4, state: 'data' },
      { offset: 4, length: 4, state: 'data' },
      { offset: 8, length: 2, state: 'hole' },
      { offset: 12, length: 2, state: 'hole' },
    ]),
    [
      { offset: 0, length: 8, state: 'data' },
      { offset: 8, length: 2, state: 'hole' },
      { offset: 12, length: 2, state: 'hole' },
    ],
  );
});

test('an error of the system without a kind counts as io', (t) => {
  t.is(errorKindOf(new Error('EIO')), 'io');
  t.is(errorKindOf(new AshlarError('no-space', 'The pool is full.')), 'no-space');
});
