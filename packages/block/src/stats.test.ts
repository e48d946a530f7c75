import test from 'ava';
import { errorKinds } from '@ashlar/core';
import { failsWith, ManualTime, SeededRandom } from '@ashlar/testing';
import { delayDevice } from './delay.ts';
import { faultDevice } from './fault.ts';
import { bucketCount, bucketUpperMicros, LatencyHistogram } from './histogram.ts';
import { memoryDevice } from './memory-device.ts';
import { deviceStats, deviceStatsBytes, statsDevice } from './stats.ts';

test('operations and bytes are counted, and what answers at once still does', (t) => {
  const stats = deviceStats();
  const device = statsDevice(memoryDevice(8192), new ManualTime(), stats);
  t.is(device.write(0, new Uint8Array(4096), false), undefined);
  t.is(device.read(0, new Uint8Array(1000)), undefined);
  t.is(device.read(0, new Uint8Array(24)), undefined);
  t.deepEqual([stats.write.operations, stats.write.bytes], [1, 4096]);
  t.deepEqual([stats.read.operations, stats.read.bytes, stats.read.inFlight], [2, 1024, 0]);
  t.is(stats.read.latency.total, 2);
});

test('what is in flight is seen, and its duration when it ends', async (t) => {
  const time = new ManualTime();
  const stats = deviceStats();
  const below = delayDevice(memoryDevice(8192), { scheduler: time, delayMs: { write: 40 } });
  const device = statsDevice(below, time, stats);
  const write = device.write(0, new Uint8Array(1), false);
  t.is(stats.write.inFlight, 1);
  await time.advance(50);
  await write;
  t.is(stats.write.inFlight, 0);
  t.is(stats.write.durationMs, 40);
  t.true(stats.write.latency.quantileMicros(0.5) >= 40_000);
  t.true(stats.write.latency.quantileMicros(0.5) <= 50_000);
});

test('errors are counted by kind and moved no bytes', async (t) => {
  const stats = deviceStats();
  const faulty = faultDevice(memoryDevice(8192), new SeededRandom(1), [{ kind: 'io', operations: ['read'], times: 1 }]);
  const device = statsDevice(faulty, new ManualTime(), stats);
  await failsWith(t, 'io', () => device.read(0, new Uint8Array(10)));
  await failsWith(t, 'out-of-range', () => device.read(8192, new Uint8Array(10)));
  t.deepEqual([stats.read.operations, stats.read.bytes, stats.read.inFlight], [2, 0, 0]);
  t.is(stats.read.errors[errorKinds.indexOf('io')], 1);
  t.is(stats.read.errors[errorKinds.indexOf('out-of-range')], 1);
});

test('counters in shared memory are seen from another view of it', (t) => {
  const memory = new SharedArrayBuffer(deviceStatsBytes);
  const device = statsDevice(memoryDevice(8192), new ManualTime(), deviceStats(memory));
  void device.read(0, new Uint8Array(512));
  t.is(deviceStats(memory).read.bytes, 512);
});

test('every duration falls into a bucket whose bounds hold it', (t) => {
  for (const micros of [1, 2, 3, 4, 5, 7, 8, 100, 1000, 1023, 1024, 65_537, 3_000_000, 2 ** 26]) {
    const histogram = new LatencyHistogram(new Float64Array(bucketCount));
    histogram.record(micros / 1000 + 1e-7);
    const index = histogram.counts.indexOf(1);
    t.true(micros < bucketUpperMicros(index), `${micros} is under ${bucketUpperMicros(index)}`);
    t.true(index === 0 || micros >= Math.floor(bucketUpperMicros(index - 1)), `${micros} in bucket ${index}`);
  }
});

test('a duration beyond the last bucket or below the first is counted in it', (t) => {
  const histogram = new LatencyHistogram(new Float64Array(bucketCount));
  histogram.record(0);
  histogram.record(1e12);
  t.is(histogram.counts[0], 1);
  t.is(histogram.counts[bucketCount - 1], 1);
  t.is(histogram.quantileMicros(0), bucketUpperMicros(0));
  t.is(histogram.quantileMicros(1), bucketUpperMicros(bucketCount - 1));
});
