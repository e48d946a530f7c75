import { MiB, type BlockDevice } from '@ashlar/core';
import { failsWith, sameBytes } from '../expect.ts';
import { pattern, readBack, whole, type DeviceTest } from './subject.ts';

const sizeBytes = 2 * MiB;

/** Durable operations, flush, reopening, compareAndWrite and copyFrom. */
export function orderTests(check: DeviceTest): void {
  check('durable operations and flushes settle and are read back', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { durable, flush, zero, trim } = device.capabilities;
    const bytes = pattern(1, 64 * 1024);
    await device.write(0, bytes, durable !== 'none');
    if (zero !== 'none') await device.zero(8192, 4096, 'may-trim', durable !== 'none');
    if (zero !== 'none') bytes.fill(0, 8192, 8192 + 4096);
    if (trim === 'native') await device.trim(16_384, 4096, durable !== 'none');
    if (trim === 'native') bytes.fill(0, 16_384, 16_384 + 4096);
    if (flush !== 'none') await Promise.all([device.flush(), device.flush(), device.flush()]);
    sameBytes(t, bytes, await readBack(device, 0, bytes.length), 'what was written');
  });

  check('what was written is there after closing and opening again', async (t, run) => {
    const fixture = await run.fixture(sizeBytes);
    if (fixture.reopen === undefined) return void t.pass();
    const bytes = pattern(6, 300_000 - (300_000 % fixture.device.blockSizes.minimum));
    await fixture.device.write(whole(fixture.device, 4097), bytes, false);
    const again = await fixture.reopen();
    t.is(again.sizeBytes, sizeBytes);
    sameBytes(t, bytes, await readBack(again, whole(again, 4097), bytes.length), 'what was written');
    await again.close();
  });

  check('compareAndWrite writes where the contents are as expected', async (t, run) => {
    const device = await run.device(sizeBytes);
    const length = whole(device, 512);
    const offset = whole(device, 4096 + 1);
    if (device.capabilities.compareAndWrite === 'none') {
      await failsWith(t, 'unsupported', () =>
        device.compareAndWrite(offset, new Uint8Array(length), pattern(1, length), false),
      );
      return;
    }
    await device.compareAndWrite(offset, new Uint8Array(length), pattern(1, length), false);
    await device.compareAndWrite(offset, pattern(1, length), pattern(2, length), true);
    sameBytes(t, pattern(2, length), await readBack(device, offset, length), 'the second');
  });

  check('compareAndWrite tells where the contents differ and changes nothing', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.compareAndWrite === 'none') return void t.pass();
    const length = whole(device, 512);
    await device.write(length, pattern(1, length), false);
    const expected = pattern(1, length);
    expected[77] = 0;
    expected[200] = 0;
    const error = await failsWith(t, 'miscompare', () =>
      device.compareAndWrite(length, expected, pattern(2, length), false),
    );
    t.is(error?.context.offset, length + 77);
    sameBytes(t, pattern(1, length), await readBack(device, length, length), 'what was there');
    await failsWith(t, 'invalid', () =>
      device.compareAndWrite(0, new Uint8Array(length), new Uint8Array(2 * length), false),
    );
  });

  check('of many compareAndWrites at once none is lost', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.compareAndWrite === 'none') return void t.pass();
    const length = whole(device, 512);
    const count = 12;
    await Promise.all(Array.from({ length: count }, () => addOne(device, length)));
    const found = await readBack(device, 0, length);
    t.is(new DataView(found.buffer).getUint32(0), count);
  });

  check('copyFrom copies within a device and from another', async (t, run) => {
    const device = await run.device(sizeBytes);
    const source = await run.device(sizeBytes);
    const length = whole(device, 200_001);
    const target = whole(device, 700_001);
    if (device.capabilities.copyFrom === 'none') {
      await failsWith(t, 'unsupported', () => device.copyFrom(source, 0, 0, length));
      return;
    }
    const bytes = pattern(1, length);
    await source.write(0, bytes, false);
    await device.copyFrom(source, 0, target, length);
    sameBytes(t, bytes, await readBack(device, target, length), 'from another');
    await device.copyFrom(device, target, 0, length);
    sameBytes(t, bytes, await readBack(device, 0, length), 'within');
    await failsWith(t, 'out-of-range', () => device.copyFrom(source, sizeBytes, 0, length), 'past the source');
  });

  check('copyFrom keeps holes and overwrites what was there', async (t, run) => {
    const device = await run.device(sizeBytes);
    const source = await run.device(sizeBytes);
    if (device.capabilities.copyFrom === 'none') return void t.pass();
    await device.write(0, pattern(1, sizeBytes), false);
    await source.write(MiB, pattern(2, 4096), false);
    await device.copyFrom(source, 0, 0, sizeBytes);
    const expected = new Uint8Array(sizeBytes);
    expected.set(pattern(2, 4096), MiB);
    sameBytes(t, expected, await readBack(device, 0, sizeBytes), 'all of it');
    if (source.capabilities.extents !== 'native' || device.capabilities.extents !== 'native') return;
    const { preferred } = device.blockSizes;
    const extents = await device.extents(preferred, MiB - 2 * preferred, 100);
    t.true(extents.every(({ state }) => state !== 'data'));
  });
}

/** Adds one to a counter in the first block by compareAndWrite, again when another was faster. */
async function addOne(device: BlockDevice, length: number): Promise<void> {
  for (;;) {
    const before = await readBack(device, 0, length);
    const after = before.slice();
    new DataView(after.buffer).setUint32(0, new DataView(before.buffer).getUint32(0) + 1);
    try {
      return await device.compareAndWrite(0, before, after, false);
    } catch (error) {
      if ((error as { kind?: string }).kind !== 'miscompare') throw error;
    }
  }
}
