import { AshlarError, type Scheduler } from '@ashlar/core';
import type { SnapshotSchedule, Volume, VolumeSnapshot } from '@ashlar/volume';
import test from 'ava';
import { SnapshotSchedules } from './snapshot-schedules.ts';

const hour = 3_600_000;
const never: Scheduler = { after: () => ({ cancel: () => undefined }), soon: () => undefined };

/** A volume with one schedule, in a catalogue of its own. */
function make(schedule: Partial<SnapshotSchedule>) {
  const start = Date.parse('2026-01-31T10:20:00Z');
  const state = { now: start, taken: [] as VolumeSnapshot[], busy: new Set<string>(), failing: false };
  const own = { name: 'hourly', everySeconds: 3600, keep: 3, since: new Date(start).toISOString(), ...schedule };
  const volume = { name: 'demo', uuid: 'u', schedules: [own] } as unknown as Volume;
  const schedules = new SnapshotSchedules({
    volumes: () => [volume],
    snapshots: {
      of: () => state.taken,
      take: async (requests) => {
        if (state.failing) throw new AshlarError('no-space', 'the pool is full');
        const created = new Date(state.now).toISOString();
        const [{ name = '', schedule: by } = {}] = requests;
        const snapshot = { name, uuid: 's', volume: 'u', snapshotId: state.now, sizeBytes: 1, created };
        state.taken.push(by === undefined ? snapshot : { ...snapshot, schedule: by });
        return [];
      },
      remove: async (fullName) => {
        if (state.busy.has(fullName)) throw new AshlarError('busy', 'it has clones');
        state.taken = state.taken.filter(({ name }) => `demo@${name}` !== fullName);
      },
    },
    scheduler: never,
    now: () => state.now,
    logger: { info: () => undefined, warn: () => undefined },
    removed: () => undefined,
  });
  const names = (): string[] => state.taken.map(({ name }) => name);
  const lookAt = async (text: string): Promise<string[]> => {
    state.now = Date.parse(text);
    await schedules.look();
    return names();
  };
  return { state, lookAt, names };
}

test('a snapshot is taken on the hour, once', async (t) => {
  const { lookAt } = make({});
  t.deepEqual(await lookAt('2026-01-31T10:59:59Z'), []);
  t.deepEqual(await lookAt('2026-01-31T11:00:03Z'), ['hourly-20260131T110003Z']);
  t.deepEqual(await lookAt('2026-01-31T11:00:13Z'), ['hourly-20260131T110003Z']);
  t.deepEqual(await lookAt('2026-01-31T12:00:01Z'), ['hourly-20260131T110003Z', 'hourly-20260131T120001Z']);
});

test('what was missed while nobody looked is taken once', async (t) => {
  const { lookAt } = make({});
  await lookAt('2026-01-31T11:00:03Z');
  t.is((await lookAt('2026-01-31T19:30:00Z')).length, 2);
  t.is((await lookAt('2026-01-31T19:59:00Z')).length, 2);
});

test('above the number that is kept the oldest goes, others are left alone', async (t) => {
  const { state, lookAt, names } = make({ keep: 2 });
  state.taken.push({
    name: 'mine',
    uuid: 'm',
    volume: 'u',
    snapshotId: 0,
    sizeBytes: 1,
    created: '2020-01-01T00:00:00Z',
  });
  for (let count = 1; count <= 4; count += 1)
    await lookAt(new Date(Date.parse('2026-01-31T10:00:00Z') + count * hour).toISOString());
  t.deepEqual(names(), ['mine', 'hourly-20260131T130000Z', 'hourly-20260131T140000Z']);
});

test('one that has clones stays, and goes when it has none', async (t) => {
  const { state, lookAt } = make({ keep: 1 });
  await lookAt('2026-01-31T11:00:00Z');
  state.busy.add('demo@hourly-20260131T110000Z');
  t.is((await lookAt('2026-01-31T12:00:00Z')).length, 2);
  state.busy.clear();
  t.deepEqual(await lookAt('2026-01-31T12:00:10Z'), ['hourly-20260131T120000Z']);
});

test('one that fails is tried again', async (t) => {
  const { state, lookAt } = make({});
  state.failing = true;
  t.deepEqual(await lookAt('2026-01-31T11:00:00Z'), []);
  state.failing = false;
  t.deepEqual(await lookAt('2026-01-31T11:00:10Z'), ['hourly-20260131T110010Z']);
});
