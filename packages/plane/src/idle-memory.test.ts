import { MiB } from '@ashlar/core';
import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { IdleMemory } from './idle-memory.ts';

/** A thread with 100 MiB that says of itself what it is told to. */
function thread(): { time: ManualTime; state: { utilization: number; residentBytes: number; given: number } } {
  const time = new ManualTime();
  const state = { utilization: 0, residentBytes: 100 * MiB, given: 0 };
  new IdleMemory({
    scheduler: time,
    utilization: () => state.utilization,
    residentBytes: () => state.residentBytes,
    floorBytes: 100 * MiB,
    giveBack: async () => {
      state.given += 1;
      state.residentBytes = 120 * MiB;
    },
  }).watch();
  return { time, state };
}

test('memory is given back once, when a load is over', async (t) => {
  const { time, state } = thread();
  state.utilization = 0.9;
  state.residentBytes = 700 * MiB;
  await time.advance(10_000);
  t.is(state.given, 0, 'not under load');
  state.utilization = 0;
  await time.advance(55_000);
  t.is(state.given, 0, 'it may come again soon');
  await time.advance(10_000);
  t.is(state.given, 1);
});

test('what the start took is given back as well', async (t) => {
  const { time, state } = thread();
  state.residentBytes = 500 * MiB;
  await time.advance(65_000);
  t.is(state.given, 1);
});

test('a thread that stays small, or is never idle for a while, is left alone', async (t) => {
  const { time, state } = thread();
  state.residentBytes = 160 * MiB;
  await time.advance(100_000);
  t.is(state.given, 0, 'too little came');
  state.residentBytes = 700 * MiB;
  for (let second = 0; second < 100; second += 1) {
    state.utilization = (second + 1) % 2;
    await time.advance(1000);
  }
  t.is(state.given, 0);
});

test('the next load has its memory given back as well', async (t) => {
  const { time, state } = thread();
  for (const load of [1, 2, 3]) {
    state.residentBytes = 700 * MiB;
    await time.advance(65_000);
    t.is(state.given, load);
  }
});
