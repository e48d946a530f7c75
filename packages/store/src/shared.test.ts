import test from 'ava';
import { notShared, Shared } from './shared.ts';

test('while a snapshot is being deleted, what the deletion has passed is shared with the one before only', (t) => {
  const shared = new Shared(10, 4, 100);
  t.deepEqual([shared.inLeaf(99), shared.inLeaf(100)], [4, 10]);
  t.is(shared.ofPage(100), 4, 'all of the page is passed');
  t.is(shared.ofPage(128), 10, 'some of the page is not');
});

test('what has no snapshots shares nothing', (t) => {
  t.true(notShared.inLeaf(0) < 0 && notShared.ofPage(1) < 0);
});
