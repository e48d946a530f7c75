import test from 'ava';
import { KiB, MiB } from '@ashlar/core';
import { fioOptions, parseFio } from './fio.ts';

const direction = (total_ios: number, io_bytes: number, runtime: number, clat_ns = {}): object => ({
  total_ios,
  io_bytes,
  runtime,
  clat_ns,
});

test("fio's JSON is read behind the notes that fio writes before it", (t) => {
  const read = direction(3000, 3000 * 4096, 2000, { percentile: { '50.000000': 50_000, '99.900000': 900_000 } });
  const job = { error: 0, read, write: direction(1000, 1000 * 4096, 1000) };
  t.deepEqual(parseFio(`note: both iodepth >= 1\n${JSON.stringify({ jobs: [job] })}`), {
    operations: 4000,
    bytes: 4000 * 4096,
    seconds: 2,
    operationsPerSecond: 2000,
    medianMicros: 50,
    p999Micros: 900,
  });
});

test('an error that fio met is an error of the measurement', (t) => {
  const idle = direction(0, 0, 0);
  t.throws(() => parseFio(`\n${JSON.stringify({ jobs: [{ error: 5, read: idle, write: idle }] })}`), {
    message: 'fio met the error 5',
  });
});

test('a load in seconds is bounded by time, one over a size by its bytes', (t) => {
  const load = { rw: 'randwrite', blockBytes: 4 * KiB, depth: 16, connections: 2, flushEvery: 32 } as const;
  const timed = fioOptions('nbd://127.0.0.1:1/a', load, { seconds: 2 });
  t.true(timed.includes('--runtime=2'));
  t.true(timed.includes('--fsync=32'));
  t.true(timed.includes('--numjobs=2'));
  const once = fioOptions('nbd://127.0.0.1:1/a', { ...load, gapBytes: 4 * KiB }, { sizeBytes: MiB });
  t.true(once.includes(`--io_size=${MiB / 2}`));
  t.false(once.includes('--time_based'));
});
