import test from 'ava';
import { MiB } from '@ashlar/core';
import { failsWith, laterTurn, ManualTime, PoorDevice, SeededRandom } from '@ashlar/testing';
import { delayDevice } from './delay.ts';
import { emulate } from './emulate.ts';
import { faultDevice } from './fault.ts';
import { logDevice, type OperationLine } from './log.ts';
import { memoryDevice } from './memory-device.ts';
import { readOnlyDevice } from './readonly.ts';
import { sliceDevice } from './slice.ts';

test('a read-only device reads and refuses every change', async (t) => {
  const below = memoryDevice(8192);
  await below.write(0, new Uint8Array(8192).fill(7), false);
  const device = readOnlyDevice(below);
  t.true(device.readOnly);
  const bytes = new Uint8Array(8192);
  await device.read(0, bytes);
  t.true(bytes.every((byte) => byte === 7));
  await failsWith(t, 'read-only', () => device.write(0, bytes, false));
  await failsWith(t, 'read-only', () => device.trim(0, 4096, false));
  await failsWith(t, 'read-only', () => device.zero(0, 4096, 'may-trim', false));
  await failsWith(t, 'read-only', () => device.compareAndWrite(0, bytes, bytes, false));
  await failsWith(t, 'read-only', () => device.copyFrom(below, 0, 0, 4096));
  await failsWith(t, 'read-only', () => device.resize(0));
});

test('a slice that does not lie in its device is refused', async (t) => {
  await failsWith(t, 'out-of-range', () => sliceDevice(memoryDevice(8192), 4096, 4097));
});

test('an error tells its offset within the slice', async (t) => {
  const device = sliceDevice(memoryDevice(8192), 1000, 4000);
  const error = await failsWith(t, 'miscompare', () =>
    device.compareAndWrite(10, new Uint8Array(2).fill(1), new Uint8Array(2), false),
  );
  t.is(error?.context.offset, 10);
});

test('a delayed operation starts when its time has passed', async (t) => {
  const time = new ManualTime();
  const device = delayDevice(memoryDevice(8192), { scheduler: time, delayMs: { flush: 100 } });
  let flushed = false;
  const flush = Promise.resolve(device.flush()).then(() => (flushed = true));
  await time.advance(99);
  t.false(flushed);
  await time.advance(1);
  await flush;
  t.true(flushed);
  t.is(device.read(0, new Uint8Array(1)), undefined);
});

test('delayed operations are bounded', async (t) => {
  const time = new ManualTime();
  const device = delayDevice(memoryDevice(8192), { scheduler: time, delayMs: { flush: 100 }, limit: 1 });
  const first = device.flush();
  await failsWith(t, 'busy', () => device.flush());
  await time.advance(100);
  await first;
});

test('a fault strikes the operations and the range that it names, as often as it says', async (t) => {
  const device = faultDevice(memoryDevice(MiB), new SeededRandom(1));
  device.inject({ kind: 'no-space', operations: ['write'], offset: 4096, length: 4096, times: 2 });
  const bytes = new Uint8Array(4096).fill(1);
  await device.write(0, bytes, false);
  await device.read(4096, new Uint8Array(4096));
  await failsWith(t, 'no-space', () => device.write(4096, bytes, false));
  await failsWith(t, 'no-space', () => device.write(8191, bytes, false));
  await device.write(4096, bytes, false);
});

test('a fault after the operation leaves it done', async (t) => {
  const device = faultDevice(memoryDevice(8192), new SeededRandom(1), [
    { kind: 'io', operations: ['write'], when: 'after' },
  ]);
  await failsWith(t, 'io', () => device.write(0, new Uint8Array(1).fill(9), false));
  const found = new Uint8Array(1);
  await device.read(0, found);
  t.is(found[0], 9);
});

test('a fault taken away strikes no more, and a chance is the same for the same seed', (t) => {
  const outcomes = (seed: number): string => {
    const device = faultDevice(memoryDevice(8192), new SeededRandom(seed));
    const remove = device.inject({ kind: 'io', probability: 0.5 });
    let seen = '';
    for (let index = 0; index < 40; index += 1) {
      if (index === 30) remove();
      try {
        void device.read(0, new Uint8Array(1));
        seen += '.';
      } catch {
        seen += 'x';
      }
    }
    return seen;
  };
  t.is(outcomes(7), outcomes(7));
  t.not(outcomes(7), outcomes(8));
  t.regex(outcomes(7), /x/);
  t.true(outcomes(7).endsWith('..........'));
});

test('a line is told for each operation, with what it was and how it ended', async (t) => {
  const lines: OperationLine[] = [];
  const time = new ManualTime();
  const device = logDevice(memoryDevice(8192), { clock: time, sink: (line) => lines.push(line) });
  await device.write(512, new Uint8Array(100), true);
  await failsWith(t, 'out-of-range', () => device.trim(8192, 1, false));
  t.deepEqual(lines, [
    { name: 'write', offset: 512, length: 100, durable: true, durationMs: 0, error: undefined },
    { name: 'trim', offset: 8192, length: 1, durable: false, durationMs: 0, error: 'out-of-range' },
  ]);
});

test('small writes into one block of the device below do not lose each other', async (t) => {
  const device = emulate(new PoorDevice(memoryDevice(8192), 4096), { minimumBlockBytes: 1 });
  await Promise.all(
    Array.from({ length: 200 }, (_, index) => device.write(index * 3, new Uint8Array(3).fill(index + 1), false)),
  );
  const found = new Uint8Array(600);
  await device.read(0, found);
  t.deepEqual(
    [...found],
    Array.from({ length: 600 }, (_, at) => Math.floor(at / 3) + 1),
  );
});

test('an emulated copy onto itself copes with a target that begins inside the source', async (t) => {
  for (const device of [memoryDevice(4 * MiB), emulate(new PoorDevice(memoryDevice(4 * MiB), 512))]) {
    const bytes = new Uint8Array(3 * MiB).map((_, index) => (index * 7 + (index >>> 9)) & 0xff);
    await device.write(0, bytes, false);
    await device.copyFrom(device, 0, 512, 3 * MiB);
    const found = new Uint8Array(3 * MiB);
    await device.read(512, found);
    t.is(Buffer.compare(found, bytes), 0);
    await laterTurn(1);
  }
});

test('closing an emulation lets a zeroing of many steps end', async (t) => {
  const device = emulate(new PoorDevice(memoryDevice(4 * MiB), 512));
  const zeroing = device.zero(0, 4 * MiB, 'keep-allocated', false);
  await device.close();
  await t.notThrowsAsync(async () => await zeroing);
});
