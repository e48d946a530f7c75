import test from 'ava';
import { FileGates } from './file-gates.ts';

/** An operation that ends when it is told to. */
function later(): { readonly promise: Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, end: resolve };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test('what can be answered at once is, where nothing is under way', (t) => {
  const gates = new FileGates();
  t.is(
    gates.enter(1, () => 5),
    5,
  );
  t.is(
    gates.alone(1, () => 6),
    6,
  );
});

test('who is alone waits for those before, and those behind wait for it', async (t) => {
  const gates = new FileGates();
  const order: string[] = [];
  const [first, second, alone] = [later(), later(), later()];
  const began = (name: string, until: Promise<void>) => () => {
    order.push(name);
    return until;
  };
  void gates.enter(1, began('first', first.promise));
  void gates.enter(1, began('second', second.promise));
  const done = gates.alone(1, began('alone', alone.promise));
  const behind = gates.enter(1, began('behind', Promise.resolve()));
  void gates.enter(2, began('other', Promise.resolve()));
  await turns();
  t.deepEqual(order, ['first', 'second', 'other']);
  first.end();
  await turns();
  t.deepEqual(order, ['first', 'second', 'other']);
  second.end();
  await turns();
  t.deepEqual(order, ['first', 'second', 'other', 'alone']);
  alone.end();
  await done;
  await behind;
  t.deepEqual(order, ['first', 'second', 'other', 'alone', 'behind']);
});

test('two that are to be alone are so one behind the other, and a failure keeps nobody out', async (t) => {
  const gates = new FileGates();
  const [first, second] = [later(), later()];
  const failed = gates.alone(1, async () => {
    await first.promise;
    throw new Error('it failed');
  });
  let isSecond = false;
  const next = gates.alone(1, async () => {
    isSecond = true;
    await second.promise;
    return 7;
  });
  const idle = gates.idle(1);
  await turns();
  t.false(isSecond);
  first.end();
  await t.throwsAsync(async () => await failed);
  await turns();
  t.true(isSecond);
  second.end();
  t.is(await next, 7);
  await idle;
  t.is(
    gates.enter(1, () => 8),
    8,
  );
});
