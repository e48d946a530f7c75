import { MiB, type BlockDevice, type ErrorKind, type Settled } from '@ashlar/core';
import { failsWith, sameBytes } from '../expect.ts';
import { pattern, readBack, whole, type DeviceTest } from './subject.ts';

const sizeBytes = 2 * MiB;

type Attempt = readonly [name: string, run: () => Settled<unknown>];

/** Each operation that the device can do, at a place. */
function attempts(device: BlockDevice, offset: number, length: number): Attempt[] {
  const { trim, zero, extents, prefetch, compareAndWrite, copyFrom } = device.capabilities;
  const bytes = new Uint8Array(Math.max(length, 0));
  const list: Attempt[] = [
    ['read', () => device.read(offset, bytes)],
    ['write', () => device.write(offset, bytes, false)],
  ];
  if (trim !== 'none') list.push(['trim', () => device.trim(offset, length, false)]);
  if (zero !== 'none') list.push(['zero', () => device.zero(offset, length, 'may-trim', false)]);
  if (extents !== 'none') list.push(['extents', () => device.extents(offset, length, 10)]);
  if (prefetch !== 'none') list.push(['prefetch', () => device.prefetch(offset, length)]);
  if (compareAndWrite !== 'none') {
    list.push(['compareAndWrite', () => device.compareAndWrite(offset, bytes, bytes, false)]);
  }
  if (copyFrom !== 'none') list.push(['copyFrom', () => device.copyFrom(device, 0, offset, length)]);
  return list;
}

/** What is refused, and how; and changes of size. */
export function limitTests(check: DeviceTest): void {
  check('what is outside the device is refused as out-of-range and changes nothing', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { minimum } = device.blockSizes;
    await device.write(0, pattern(1, sizeBytes), false);
    for (const [offset, length] of [
      [sizeBytes, minimum],
      [sizeBytes - minimum, 2 * minimum],
      [sizeBytes + 16 * MiB, minimum],
      [2 ** 52, minimum],
    ] as const) {
      for (const [name, attempt] of attempts(device, offset, length)) {
        await failsWith(t, 'out-of-range', attempt, `${name} at ${offset}`);
      }
    }
    sameBytes(t, pattern(1, sizeBytes), await readBack(device, 0, sizeBytes), 'all of it');
  });

  check('what is not whole blocks is refused as invalid', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { minimum } = device.blockSizes;
    if (minimum === 1) return void t.pass();
    for (const [offset, length] of [
      [1, minimum],
      [0, minimum - 1],
    ] as const) {
      for (const [name, attempt] of attempts(device, offset, length)) {
        await failsWith(t, 'invalid', attempt, `${name} of ${length} at ${offset}`);
      }
    }
  });

  check('after a close every operation is refused as closed', async (t, run) => {
    const device = await run.device(sizeBytes);
    await device.close();
    const all = attempts(device, 0, whole(device, 4096));
    if (device.capabilities.flush !== 'none') all.push(['flush', () => device.flush()]);
    if (device.capabilities.resize !== 'none') all.push(['resize', () => device.resize(sizeBytes)]);
    for (const [name, attempt] of all) await failsWith(t, 'closed', attempt, name);
  });

  check('a close waits for what is in flight, which ends well or as closed', async (t, run) => {
    const device = await run.device(sizeBytes);
    const ended: (ErrorKind | 'well')[] = [];
    const writes = Array.from({ length: 8 }, async (_, index) => {
      try {
        await device.write(index * 65_536, pattern(index, 65_536), false);
        ended.push('well');
      } catch (error) {
        ended.push((error as { kind: ErrorKind }).kind);
      }
    });
    await device.close();
    await Promise.all(writes);
    t.is(ended.length, 8);
    t.true(ended.every((how) => how === 'well' || how === 'closed'));
  });

  check('a device that is read-only refuses every change', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (!device.readOnly) return void t.pass();
    await failsWith(t, 'read-only', () => device.write(0, new Uint8Array(whole(device, 512)), false));
  });

  check('growing adds zeros and shrinking takes the tail away for good', async (t, run) => {
    const device = await run.device(sizeBytes);
    const minimum = run.subject.sizeUnitBytes ?? device.blockSizes.minimum;
    if (device.capabilities.resize === 'none') {
      await failsWith(t, 'unsupported', () => device.resize(2 * sizeBytes));
      return;
    }
    const model = pattern(1, sizeBytes);
    await device.write(0, model, false);
    for (const small of [MiB + 3 * minimum, MiB, 4096 + minimum, 0]) {
      await device.resize(small);
      t.is(device.sizeBytes, small);
      await failsWith(t, 'out-of-range', () => device.read(small, new Uint8Array(minimum)));
      await device.resize(sizeBytes);
      t.is(device.sizeBytes, sizeBytes);
      model.fill(0, small);
      sameBytes(t, model, await readBack(device, 0, sizeBytes), `shrunk to ${small} and grown`);
    }
    await device.resize(3 * sizeBytes);
    sameBytes(t, new Uint8Array(sizeBytes), await readBack(device, 2 * sizeBytes, sizeBytes), 'the new end');
    await device.write(3 * sizeBytes - minimum, pattern(2, minimum), false);
    sameBytes(t, pattern(2, minimum), await readBack(device, 3 * sizeBytes - minimum, minimum), 'the last block');
  });
}
