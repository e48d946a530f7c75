import { AshlarError, type Scheduler, type ScrubCommand, type ScrubReport } from '@ashlar/core';
import test from 'ava';
import { ScrubSchedule } from './scrub-schedule.ts';

const dayMs = 86_400_000;
const never: Scheduler = { after: () => ({ cancel: () => undefined }), soon: () => undefined };

const nothing: ScrubReport = {
  state: 'never',
  reason: undefined,
  sinceMs: 0,
  startedMs: undefined,
  endedMs: undefined,
  completedMs: undefined,
  interruptions: 0,
  bytesPerSecond: undefined,
  doneBytes: 0,
  totalBytes: 0,
  findings: [],
  damagedBytes: 0,
  damagedPages: 0,
  records: undefined,
};

/** A schedule over a pool that was made at day 0. */
function make(days = 30) {
  const state = { now: 0, days, report: nothing, commands: [] as ScrubCommand[], log: [] as string[], failing: false };
  const schedule = new ScrubSchedule({
    scrub: async (command) => {
      if (state.failing) throw new AshlarError('failed', 'the data worker is gone');
      if (command.action === 'start') {
        state.commands.push(command);
        state.report = { ...nothing, state: 'running', startedMs: state.now };
      }
      return state.report;
    },
    everyDays: () => state.days,
    bytesPerSecond: () => 1000,
    scheduler: never,
    now: () => state.now,
    logger: {
      info: (...what: unknown[]) => void state.log.push(`info ${String(what.at(-1))}`),
      warn: (...what: unknown[]) => void state.log.push(`warn ${String(what.at(-1))}`),
    },
  });
  const lookAt = async (day: number): Promise<number> => {
    state.now = day * dayMs;
    await schedule.look();
    return state.commands.length;
  };
  const end = (report: Partial<ScrubReport>): void => {
    state.report = { ...state.report, state: 'done', endedMs: state.now, completedMs: state.now, ...report };
  };
  return { state, lookAt, end };
}

test('the first one begins so many days after the pool was made, with the configured rate', async (t) => {
  const { state, lookAt } = make();
  t.is(await lookAt(29), 0);
  t.is(await lookAt(30), 1);
  t.deepEqual(state.commands, [{ action: 'start', bytesPerSecond: 1000 }]);
});

test('the next one begins so many days after the last one began, whoever began that', async (t) => {
  const { state, lookAt, end } = make();
  state.report = { ...nothing, state: 'stopped', startedMs: 20 * dayMs, endedMs: 21 * dayMs };
  t.is(await lookAt(49), 0);
  t.is(await lookAt(51), 1);
  end({});
  t.is(await lookAt(80), 1);
  t.is(await lookAt(81), 2);
});

test('one that is under way or paused is left alone', async (t) => {
  const { state, lookAt } = make();
  for (const each of ['running', 'paused'] as const) {
    state.report = { ...nothing, state: each, startedMs: 0 };
    t.is(await lookAt(100), 0, each);
  }
});

test('without days none begins', async (t) => {
  const { lookAt } = make(0);
  t.is(await lookAt(1000), 0);
});

test('other days hold at the next look', async (t) => {
  const { state, lookAt } = make(0);
  await lookAt(2);
  state.days = 1;
  t.is(await lookAt(2), 1);
});

test('what one has found is logged when it has ended, once', async (t) => {
  const { state, lookAt, end } = make();
  await lookAt(30);
  await lookAt(30.1);
  end({});
  await lookAt(30.2);
  await lookAt(30.3);
  t.deepEqual(state.log, ['info a scrub was begun by its schedule', 'info a scrub ended and found no damage']);
  await lookAt(60);
  end({ records: { records: 10, damaged: 1, reason: undefined } });
  await lookAt(61);
  t.regex(state.log.at(-1) ?? '', /^warn a scrub found damage: 'ashlar scrub status' says where$/);
});

test('what fails is logged, and tried again', async (t) => {
  const { state, lookAt } = make();
  state.failing = true;
  t.is(await lookAt(30), 0);
  t.deepEqual(state.log, ['warn a scrub was not begun']);
  state.failing = false;
  t.is(await lookAt(30), 1);
});
