import { AshlarError, type FlattenProgress } from '@ashlar/core';
import type { Volume } from '@ashlar/volume';
import test from 'ava';
import { Flattener } from './flattener.ts';

/** A clone that is flat after so many steps; `step` is told of each. */
function make(steps: number, step: () => Promise<void> = async () => {}) {
  const state = { left: steps, wanted: false, failing: false };
  const volume = (): Volume => ({ name: 'copy', uuid: 'u', flattening: state.wanted }) as unknown as Volume;
  const flattener = new Flattener({
    volumes: () => [volume()],
    volume,
    flattening: {
      begin: async () => {
        state.wanted = true;
        return volume();
      },
      step: async (): Promise<FlattenProgress | undefined> => {
        await step();
        if (state.failing) throw new AshlarError('no-space', 'the pool is full');
        if (!state.wanted) return undefined;
        state.left -= 1;
        return { isDone: state.left === 0, doneBytes: steps - state.left, totalBytes: steps, damagedBytes: 0 };
      },
      end: async () => {
        state.wanted = false;
      },
    },
    logger: { info: () => undefined, warn: () => undefined },
  });
  return { state, flattener };
}

/** Settles when nothing is under way. */
async function ended(flattener: Flattener): Promise<void> {
  while (flattener.count > 0) await new Promise((resolve) => setImmediate(resolve));
}

test('it goes on until the clone is flat, and says how far it is', async (t) => {
  const seen: unknown[] = [];
  const { flattener } = make(3, async () => void seen.push(flattener.viewOf('u')?.doneBytes));
  await flattener.begin('copy');
  await ended(flattener);
  t.deepEqual(seen, [0, 1, 2]);
  t.deepEqual(flattener.viewOf('u'), { state: 'done', doneBytes: 3, totalBytes: 3, damagedBytes: 0 });
});

test('a start goes on with what is on record, and only with that', async (t) => {
  const { state, flattener } = make(3);
  flattener.start();
  t.is(flattener.viewOf('u'), undefined);
  state.wanted = true;
  flattener.start();
  await ended(flattener);
  t.is(state.left, 0);
});

test('what fails says why, and is given up', async (t) => {
  const { state, flattener } = make(3);
  state.failing = true;
  await flattener.begin('copy');
  await ended(flattener);
  await flattener.close();
  t.like(flattener.viewOf('u'), { state: 'failed', reason: 'the pool is full' });
  t.false(state.wanted);
});

test('one that is stopped is given up; one that the server leaves off is still wanted', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { state, flattener } = make(100, () => promise);
  await flattener.begin('copy');
  const closing = flattener.close();
  resolve();
  await closing;
  t.true(state.wanted);
  t.is(state.left, 99);
  const other = make(1e6, () => new Promise((next) => setImmediate(next)));
  await other.flattener.begin('copy');
  await other.flattener.stop('copy');
  t.false(other.state.wanted);
  t.is(other.flattener.viewOf('u'), undefined);
});
