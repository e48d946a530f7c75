import type { Settled } from '@ashlar/core';
import test from 'ava';
import { Transfers } from './transfers.ts';

const none = (): Promise<void> => Promise.resolve();

test('what settled at once is not waited for', async (t) => {
  const transfers = new Transfers(100, none);
  t.is(transfers.add(undefined, 1), undefined);
  await transfers.drained();
});

test('the first failure is told when all have ended', async (t) => {
  const transfers = new Transfers(100, none);
  const last = Promise.withResolvers<void>();
  void transfers.add(Promise.reject(new Error('first')), 1);
  void transfers.add(last.promise, 1);
  let ended = false;
  setImmediate(() => {
    ended = true;
    last.resolve();
  });
  await t.throwsAsync(transfers.drained(), { message: 'first' });
  t.true(ended);
  await transfers.drained();
});

test('no more are begun than a device keeps busy with', async (t) => {
  const transfers = new Transfers(1e9, none);
  const ends: (() => void)[] = [];
  let begun = 0;
  let held: Settled<void> = undefined;
  while (held === undefined && begun < 1000) {
    held = transfers.add(new Promise<void>((resolve) => ends.push(resolve)), 1);
    begun += 1;
  }
  t.true(begun > 16 && begun < 1000);
  for (const end of ends) end();
  await held;
  await transfers.drained();
});

test('a sync runs beside after each so many bytes, one at a time, and is waited for', async (t) => {
  let syncs = 0;
  const running = Promise.withResolvers<void>();
  const transfers = new Transfers(100, () => {
    syncs += 1;
    return running.promise;
  });
  for (let count = 0; count < 9; count += 1) void transfers.add(undefined, 30);
  t.is(syncs, 1);
  setImmediate(running.resolve);
  await transfers.drained();
  for (let count = 0; count < 4; count += 1) void transfers.add(undefined, 30);
  t.is(syncs, 2);
});
