import { GiB, MiB, type Scheduler } from '@ashlar/core';
import test from 'ava';
import { PoolWatch } from './pool-watch.ts';

/** A pool of 10 GiB, and what was logged of it. */
function make(warnAt: readonly number[] = [80, 90]) {
  const room = { capacityBytes: 10 * GiB, usedBytes: 0, freeBytes: 100 * GiB, reservedBytes: 0 };
  const lines: string[] = [];
  const log = (level: string) => (fields: unknown, text?: string) => {
    lines.push(`${level}: ${text ?? String(fields)}`);
  };
  const waiting = new Set<() => void>();
  const after: Scheduler['after'] = (_, run) => {
    waiting.add(run);
    return { cancel: () => waiting.delete(run) };
  };
  /** Lets the time of one look pass. */
  const pass = async (): Promise<void> => {
    for (const run of waiting) {
      waiting.delete(run);
      run();
    }
    await new Promise((resolve) => setImmediate(resolve));
  };
  const logger = { info: log('info'), warn: log('warn') } as unknown as ConstructorParameters<
    typeof PoolWatch
  >[0]['logger'];
  const watch = new PoolWatch({
    room: async () => room,
    warnAt: () => warnAt,
    scheduler: { after, soon: setImmediate },
    logger,
  });
  const at = async (percent: number): Promise<number> => {
    room.usedBytes = (room.capacityBytes * percent) / 100;
    await watch.look();
    return watch.threshold;
  };
  return { room, lines, watch, at, pass };
}

test('each threshold is warned of once when it is reached, and said to be left when the use is clearly below', async (t) => {
  const { lines, at } = make();
  t.is(await at(79.9), 0);
  t.deepEqual(lines, []);
  t.is(await at(80), 80);
  t.is(await at(89), 80);
  t.regex(lines.join('\n'), /^warn: 8 GiB of 10 GiB are used \(80 %\): trim [^\n]*pool.capacity[^\n]*$/);
  t.is(await at(91), 90);
  t.is(await at(89), 90);
  t.is(lines.length, 2);
  t.is(await at(87.9), 80);
  t.regex(lines[2] ?? '', /^info: the use of the pool is below the threshold again/);
  t.is(await at(78.1), 80);
  t.is(await at(78), 0);
  t.is(lines.length, 4);
  t.is(await at(95), 90);
  t.is(lines.length, 5);
});

test('what is reserved and does not fit any more is warned of once, and told in the status', async (t) => {
  const { room, lines, watch, at } = make();
  room.reservedBytes = 4 * GiB;
  await at(60);
  t.is(watch.warning(room), undefined);
  room.freeBytes = 3 * GiB;
  await at(60);
  await at(60);
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /^warn: what is reserved for volumes is 1 GiB more than the pool has free/);
  t.regex(watch.warning(room) ?? '', /1 GiB more/);
  room.reservedBytes = 100 * MiB;
  await at(60);
  t.regex(lines[1] ?? '', /^info: what is reserved for volumes fits/);
});

test('without thresholds nothing is warned of, and it looks by itself until it is stopped', async (t) => {
  const none = make([]);
  t.is(await none.at(100), 0);
  t.is(none.watch.warning(none.room), undefined);
  const { room, watch, pass, lines } = make();
  await watch.start();
  room.usedBytes = room.capacityBytes;
  await pass();
  t.is(watch.threshold, 90);
  await watch.stop();
  room.usedBytes = 0;
  await pass();
  t.is(lines.length, 1);
});
