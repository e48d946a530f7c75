import test from 'ava';
import type { BlockDevice } from '@ashlar/core';
import { failsWith, ManualTime } from '@ashlar/testing';
import { memoryDevice } from './memory-device.ts';
import { throttleDevice, type ThrottleDevice, type ThrottleLimits } from './throttle.ts';

function throttled(time: ManualTime, limits: ThrottleLimits, queueLimit = 100): ThrottleDevice {
  return throttleDevice(memoryDevice(1024 * 1024), { clock: time, scheduler: time, limits, queueLimit });
}

/** Starts reads of `length` bytes and counts those that ended. */
function startReads(device: BlockDevice, count: number, length: number): { ended: number } {
  const seen = { ended: 0 };
  for (let index = 0; index < count; index += 1) {
    const result = device.read(0, new Uint8Array(length));
    if (result === undefined) seen.ended += 1;
    else void result.then(() => (seen.ended += 1));
  }
  return seen;
}

test('a burst goes through at once, the rest at the rate of operations', async (t) => {
  const time = new ManualTime();
  const seen = startReads(throttled(time, { read: { operationsPerSecond: 10, burstOperations: 4 } }), 20, 512);
  t.is(seen.ended, 4);
  await time.advance(1000);
  t.is(seen.ended, 14);
  await time.advance(1000);
  t.is(seen.ended, 20);
});

test('bytes are limited as operations are', async (t) => {
  const time = new ManualTime();
  const seen = startReads(throttled(time, { total: { bytesPerSecond: 40_960, burstBytes: 4096 } }), 21, 4096);
  t.is(seen.ended, 1);
  await time.advance(1000);
  t.is(seen.ended, 11);
  await time.advance(1000);
  t.is(seen.ended, 21);
});

test('an operation larger than the burst goes through and the next one pays for it', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { total: { bytesPerSecond: 1000, burstBytes: 100 } });
  t.is(startReads(device, 1, 1100).ended, 1);
  const later = startReads(device, 1, 100);
  await time.advance(1090);
  t.is(later.ended, 0);
  await time.advance(20);
  t.is(later.ended, 1);
});

test('reads are not held back by the limit of writes', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { write: { operationsPerSecond: 1, burstOperations: 1 } });
  void device.write(0, new Uint8Array(512), false);
  let written = false;
  void Promise.resolve(device.write(0, new Uint8Array(512), false)).then(() => (written = true));
  t.is(startReads(device, 50, 512).ended, 50);
  await time.advance(1000);
  t.true(written);
});

test('at a shared limit small reads do not overtake a large write for ever', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { total: { bytesPerSecond: 1000, burstBytes: 1000 } });
  t.is(startReads(device, 1, 1000).ended, 1);
  let written = false;
  void Promise.resolve(device.write(0, new Uint8Array(1000), false)).then(() => (written = true));
  const reads = startReads(device, 50, 100);
  await time.advance(1200);
  t.true(written);
  t.true(reads.ended < 50);
});

test('what waits ends in the order it came', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { total: { operationsPerSecond: 10, burstOperations: 1 } });
  const order: number[] = [];
  for (let index = 0; index < 6; index += 1) {
    void Promise.resolve(device.write(0, new Uint8Array(1), false)).then(() => order.push(index));
  }
  await time.advance(2000);
  t.deepEqual(order, [0, 1, 2, 3, 4, 5]);
});

test('new limits take effect for what waits', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { total: { operationsPerSecond: 0.001, burstOperations: 1 } });
  const seen = startReads(device, 10, 1);
  await time.advance(1000);
  t.is(seen.ended, 1);
  device.setLimits({});
  await time.advance(0);
  t.is(seen.ended, 10);
});

test('the queue is bounded, and a close refuses what waits', async (t) => {
  const time = new ManualTime();
  const device = throttled(time, { total: { operationsPerSecond: 1, burstOperations: 1 } }, 1);
  await device.read(0, new Uint8Array(1));
  const waiting = failsWith(t, 'closed', () => device.read(0, new Uint8Array(1)));
  await failsWith(t, 'busy', () => device.read(0, new Uint8Array(1)));
  await device.close();
  await waiting;
});

test('a limit that is not above zero is refused', async (t) => {
  await failsWith(t, 'invalid', () => throttled(new ManualTime(), { read: { operationsPerSecond: 0 } }));
});
