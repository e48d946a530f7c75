import test from 'ava';
import { failsWith } from '@ashlar/testing';
import { RangeLock } from './range-lock.ts';

type Gate = { readonly promise: Promise<void>; readonly open: () => void };

function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, open: resolve };
}

test('operations on ranges that do not overlap run at once', async (t) => {
  const lock = new RangeLock();
  const first = gate();
  const started: string[] = [];
  const one = lock.run(0, 10, () => (started.push('one'), first.promise));
  lock.run(10, 10, () => void started.push('two'));
  t.deepEqual(started, ['one', 'two']);
  first.open();
  await one;
});

test('an overlapping operation waits, and a later one does not overtake it', async (t) => {
  const lock = new RangeLock();
  const first = gate();
  const order: string[] = [];
  const all = [
    lock.run(0, 10, () => first.promise.then(() => void order.push('one'))),
    lock.run(5, 10, async () => void order.push('two')),
    lock.run(12, 10, async () => void order.push('three')),
    lock.run(30, 1, async () => void order.push('apart')),
  ];
  first.open();
  await Promise.all(all);
  t.deepEqual(order, ['apart', 'one', 'two', 'three']);
});

test('an operation that fails gives its range back', async (t) => {
  const lock = new RangeLock();
  await t.throwsAsync(async () => await lock.run(0, 10, () => Promise.reject(new Error('no'))), { message: 'no' });
  t.is(
    lock.run(0, 10, () => 7),
    7,
  );
  t.throws(
    () =>
      lock.run(0, 10, () => {
        throw new Error('at once');
      }),
    { message: 'at once' },
  );
  t.true(lock.isFree(0, 10));
});

test('waiting is bounded', async (t) => {
  const lock = new RangeLock(1);
  const first = gate();
  const one = lock.run(0, 10, () => first.promise);
  const two = lock.run(0, 10, () => 2);
  await failsWith(t, 'busy', () => lock.run(0, 10, () => 3));
  first.open();
  await one;
  t.is(await two, 2);
});

test('ranges that end in any order leave the others held', async (t) => {
  const lock = new RangeLock();
  const gates = Array.from({ length: 4 }, gate);
  const running = gates.map(({ promise }, index) => lock.run(index * 10, 10, () => promise));
  const held = (): boolean[] => gates.map((_, index) => !lock.isFree(index * 10, 10));
  for (const [end, left] of [
    [1, [true, false, true, true]],
    [3, [true, false, true, false]],
    [0, [false, false, true, false]],
    [2, [false, false, false, false]],
  ] as const) {
    gates[end]?.open();
    await running[end];
    t.deepEqual(held(), left);
  }
});
