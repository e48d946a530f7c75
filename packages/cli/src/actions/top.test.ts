import test from 'ava';
import type { StatisticsView } from '@ashlar/server';
import { activities } from './top.ts';

function look(
  takenAt: string,
  counts: Record<string, [operations: number, bytes: number, seconds: number]>,
): StatisticsView {
  const idle = {
    operations: 0,
    bytes: 0,
    inFlight: 0,
    errors: 0,
    durationSeconds: 0,
    p50Micros: 0,
    p99Micros: 0,
    p999Micros: 0,
  };
  const devices = Object.entries(counts).map(([name, [operations, bytes, durationSeconds]]) => ({
    name,
    kind: 'volume' as const,
    operations: { read: { ...idle, operations, bytes, durationSeconds }, write: { ...idle, inFlight: 2, errors: 1 } },
  }));
  return { takenAt, devices };
}

test('rates are of the time between two looks, the busiest volume first', (t) => {
  const before = look('2026-01-01T00:00:00.000Z', { quiet: [10, 4096, 1], busy: [0, 0, 0] });
  const after = look('2026-01-01T00:00:02.000Z', { quiet: [10, 4096, 1], busy: [200, 819200, 0.1] });
  const [first, second] = activities(before, after);
  t.like(first, { name: 'busy', reads: 100, readBytes: 409600, readMicros: 500, inFlight: 2, errors: 1 });
  t.like(second, { name: 'quiet', reads: 0, readMicros: 0 });
});

test('a volume that is new since the last look counts from nothing', (t) => {
  const before = look('2026-01-01T00:00:00.000Z', {});
  const [found] = activities(before, look('2026-01-01T00:00:01.000Z', { fresh: [5, 20480, 0.001] }));
  t.like(found, { name: 'fresh', reads: 5, readBytes: 20480 });
});
