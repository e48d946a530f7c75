import test from 'ava';
import { Births } from './births.ts';

const at = (
  id: number,
  birth?: number,
): { id: number; sequence: number; birth: number | undefined; openers: number; isDropped: boolean } => ({
  id,
  sequence: id * 10,
  birth,
  openers: 0,
  isDropped: false,
});

test('a store without snapshots has one birth a checkpoint, and shares nothing', (t) => {
  const births = new Births(7, [], -1);
  t.is(births.of(0), 7);
  t.is(births.last, 7);
  t.is(births.shared(0).inLeaf(5), -1);
  t.deepEqual(births.pending(), []);
});

test('each generation that a snapshot ended is born before the next one', (t) => {
  const births = new Births(20, [at(1, 4), at(2), at(3)], -1);
  t.deepEqual(
    [1, 2, 3, 4].map((generation) => births.of(generation)),
    [20, 20, 21, 22],
  );
  t.is(births.last, 22);
  t.deepEqual(
    births.pending().map(({ snapshot, birth }) => [snapshot.id, birth]),
    [
      [2, 20],
      [3, 21],
    ],
  );
});

test('what a generation may not change was born up to the snapshot before it', (t) => {
  const births = new Births(20, [at(1, 4), at(2), at(3)], 2);
  t.deepEqual(
    [1, 2, 3, 4].map((generation) => births.shared(generation).inLeaf(0)),
    [2, 4, 20, 21],
  );
});
