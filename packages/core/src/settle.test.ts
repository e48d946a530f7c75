import test from 'ava';
import { allDone, andThen, settle } from './index.ts';

test('an operation that answers at once is told at once', (t) => {
  let seen: number | undefined;
  settle(
    () => 7,
    (value) => (seen = value),
    () => t.fail(),
  );
  t.is(seen, 7);
});

test('an operation that throws at once fails at once', (t) => {
  let seen: unknown;
  const error = new Error('no');
  settle(
    () => {
      throw error;
    },
    () => t.fail(),
    (reason) => (seen = reason),
  );
  t.is(seen, error);
});

test('a promise is told later, once, whichever way it goes', async (t) => {
  const outcomes: unknown[] = [];
  await new Promise<void>((resolve) => {
    settle(
      () => Promise.resolve('late'),
      (value) => {
        outcomes.push(value);
        resolve();
      },
      () => t.fail(),
    );
    t.deepEqual(outcomes, []);
  });
  await new Promise<void>((resolve) => {
    settle(
      () => Promise.reject(new Error('gone')),
      () => t.fail(),
      (error) => {
        outcomes.push(String(error));
        resolve();
      },
    );
  });
  t.deepEqual(outcomes, ['late', 'Error: gone']);
});

test('andThen stays synchronous behind a value and follows a promise', async (t) => {
  t.is(
    andThen(2, (value) => value + 1),
    3,
  );
  t.is(await andThen(Promise.resolve(2), (value) => value + 1), 3);
});

test('a first failure is told when all have ended', async (t) => {
  let ended = false;
  const slow = new Promise<void>((resolve) => {
    setImmediate(() => {
      ended = true;
      resolve();
    });
  });
  await t.throwsAsync(
    allDone([undefined, Promise.reject(new Error('first')), slow, Promise.reject(new Error('second'))]),
    {
      message: 'first',
    },
  );
  t.true(ended);
  await allDone([undefined, Promise.resolve()]);
});
