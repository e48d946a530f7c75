import { KiB, MiB } from '@ashlar/core';
import { sameBytes } from '../expect.ts';
import { pattern, readBack, whole, type DeviceTest } from './subject.ts';

const sizeBytes = 4 * MiB;

/** Reading and writing: every size and alignment, many at once, never mixed. */
export function dataTests(check: DeviceTest): void {
  check('a new device reads as zeros', async (t, run) => {
    const device = await run.device(sizeBytes);
    t.is(device.sizeBytes, sizeBytes);
    sameBytes(t, new Uint8Array(sizeBytes), await readBack(device, 0, sizeBytes), 'all of it');
  });

  check('its block sizes are powers of two, each not above the next', async (t, run) => {
    const { minimum, preferred, maximum, atomic } = (await run.device(sizeBytes)).blockSizes;
    for (const value of [minimum, preferred, maximum, atomic]) t.is(Math.log2(value) % 1, 0, `${value}`);
    t.true(minimum <= preferred && preferred <= maximum && minimum <= atomic);
  });

  check('what was written is read back and its neighbours stay, whatever the alignment', async (t, run) => {
    const device = await run.device(sizeBytes);
    const model = new Uint8Array(sizeBytes);
    const places = [0, 1, 511, 4095, 4096, 64 * KiB - 1, 256 * KiB - 3, MiB - 4096, 2 * MiB + 17];
    const lengths = [1, 512, 4095, 4096, 4097, 8 * KiB + 1, 64 * KiB, 300 * KiB];
    let tag = 0;
    for (const place of places) {
      for (const length of lengths) {
        tag += 1;
        const offset = whole(device, place);
        const bytes = pattern(tag, whole(device, length));
        await device.write(offset, bytes, false);
        model.set(bytes, offset);
        const from = Math.max(0, offset - device.blockSizes.minimum);
        const to = Math.min(sizeBytes, offset + bytes.length + device.blockSizes.minimum);
        sameBytes(t, model.subarray(from, to), await readBack(device, from, to - from), `${length} at ${place}`);
      }
    }
    sameBytes(t, model, await readBack(device, 0, sizeBytes), 'all of it');
  });

  check('a read fills its buffer and nothing around it; a write leaves its buffer alone', async (t, run) => {
    const device = await run.device(sizeBytes);
    const length = whole(device, 4096);
    const memory = new Uint8Array(3 * length).fill(0x55);
    const bytes = memory.subarray(length, 2 * length);
    bytes.set(pattern(1, length));
    await device.write(0, bytes, false);
    sameBytes(t, pattern(1, length), bytes, 'the written buffer');
    bytes.fill(0);
    await device.read(0, bytes);
    sameBytes(t, pattern(1, length), bytes, 'the read buffer');
    const around = new Uint8Array(length).fill(0x55);
    sameBytes(t, around, memory.subarray(0, length), 'before');
    sameBytes(t, around, memory.subarray(2 * length), 'behind');
  });

  check('a buffer is free for other use once its write has settled', async (t, run) => {
    const device = await run.device(sizeBytes);
    const length = whole(device, 4096);
    const bytes = pattern(1, length);
    await device.write(0, bytes, false);
    bytes.fill(0xff);
    sameBytes(t, pattern(1, length), await readBack(device, 0, length), 'what was written');
  });

  check('operations of no length do nothing, also at the end', async (t, run) => {
    const device = await run.device(sizeBytes);
    const none = new Uint8Array(0);
    for (const offset of [0, sizeBytes]) {
      await device.read(offset, none);
      await device.write(offset, none, false);
      const { trim, zero, extents } = device.capabilities;
      if (trim !== 'none') await device.trim(offset, 0, false);
      if (zero !== 'none') await device.zero(offset, 0, 'may-trim', false);
      if (extents !== 'none') t.deepEqual(await device.extents(offset, 0, 1), []);
    }
    sameBytes(t, new Uint8Array(4096), await readBack(device, 0, 4096), 'the start');
  });

  check('many operations in flight at once each do theirs', async (t, run) => {
    const device = await run.device(sizeBytes);
    const length = whole(device, 12 * KiB);
    const count = Math.floor(sizeBytes / length);
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        await device.write(index * length, pattern(index, length), false);
        sameBytes(t, pattern(index, length), await readBack(device, index * length, length), `part ${index}`);
      }),
    );
  });

  check('overlapping writes in flight leave each atomic block with the bytes of one of them', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { atomic } = device.blockSizes;
    const length = Math.max(atomic * 16, 64 * KiB);
    await device.write(0, new Uint8Array(2 * length).fill(100), false);
    const torn: string[] = [];
    const lookForTorn = async (): Promise<void> => {
      const found = await readBack(device, 0, 2 * length);
      for (let at = 0; at < found.length; at += atomic) {
        const block = found.subarray(at, at + atomic);
        if (block.some((byte) => byte !== block[0])) torn.push(`block at ${at}`);
      }
    };
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const offset = (index % 5) * atomic;
          await device.write(
            offset,
            new Uint8Array(length).fill(round * 12 + index + 1),
            device.capabilities.durable !== 'none' && index % 6 === 5,
          );
          if (index % 3 === 0) await lookForTorn();
        }),
      );
      await lookForTorn();
    }
    t.deepEqual(torn, []);
  });

  check('a size that is a multiple of the smallest block only works up to its last byte', async (t, run) => {
    const probe = await run.device(sizeBytes);
    const odd = MiB + 3 * (run.subject.sizeUnitBytes ?? probe.blockSizes.minimum);
    const device = await run.device(odd);
    t.is(device.sizeBytes, odd);
    const bytes = pattern(5, whole(device, 5000));
    const offset = odd - bytes.length;
    await device.write(offset, bytes, false);
    sameBytes(t, bytes, await readBack(device, offset, bytes.length), 'the tail');
    if (device.capabilities.extents !== 'none') {
      const extents = await device.extents(0, odd, 100);
      t.is(
        extents.reduce((sum, extent) => sum + extent.length, 0),
        odd,
      );
    }
    if (device.capabilities.zero === 'none') return;
    await device.zero(0, odd, 'may-trim', false);
    sameBytes(t, new Uint8Array(odd), await readBack(device, 0, odd), 'after zeroing all of it');
  });
}
