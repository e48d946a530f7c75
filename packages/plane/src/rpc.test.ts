import { MessageChannel } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { AshlarError } from '@ashlar/core';
import { Calls } from './rpc.ts';

const ours = {
  add: (a: number, b: number) => a + b,
  later: (text: string) => Promise.resolve(text),
  refuse: () => {
    throw new AshlarError('no-space', 'the pool is full', { volume: 'demo', offset: 4096 });
  },
  breakDown: () => Promise.reject(new Error('EIO: the disk is gone')),
  never: () => new Promise<void>(() => undefined),
};

function pair(t: ExecutionContext): Calls<typeof ours> {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => port1.close());
  const caller = new Calls<typeof ours>(port1, {});
  const answering = new Calls<Record<string, never>>(port2, ours);
  t.teardown(() => answering.close(new AshlarError('closed', 'over')));
  return caller;
}

test('a call is answered with the value, whether it came at once or later', async (t) => {
  const { remote } = pair(t);
  t.is(await remote.add(2, 3), 5);
  t.is(await remote.later('there'), 'there');
});

test('an error crosses with its kind, sentence and context', async (t) => {
  const { remote } = pair(t);
  const error = await t.throwsAsync(() => remote.refuse(), { instanceOf: AshlarError });
  t.like(error, { kind: 'no-space', message: 'the pool is full' });
  t.deepEqual(error?.context, { volume: 'demo', offset: 4096 });
});

test('an error of the system counts as io', async (t) => {
  const { remote } = pair(t);
  const error = await t.throwsAsync(() => remote.breakDown(), { instanceOf: AshlarError });
  t.like(error, { kind: 'io', message: 'EIO: the disk is gone' });
});

test('what waits fails when the other thread is gone, and so does what is called then', async (t) => {
  const calls = pair(t);
  const waiting = calls.remote.never();
  calls.close(new AshlarError('failed', 'the data worker is gone'));
  await t.throwsAsync(() => waiting, { message: /worker is gone/ });
  await t.throwsAsync(() => calls.remote.add(1, 1), { message: /worker is gone/ });
});
