import { KiB, MiB, type BlockDevice, type Extent } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { failsWith, sameBytes } from '../expect.ts';
import { pattern, readBack, whole, type DeviceTest } from './subject.ts';

const sizeBytes = 8 * MiB;

/** Sorted, at least one byte each, without gap or overlap from `offset` on; gives where they end. */
function checkShape(t: ExecutionContext, extents: readonly Extent[], offset: number, limit: number): number {
  t.true(extents.length <= limit, `${extents.length} extents for a limit of ${limit}`);
  let at = offset;
  for (const extent of extents) {
    t.is(extent.offset, at, 'an extent begins where the one before it ends');
    t.true(extent.length > 0);
    at += extent.length;
  }
  return at;
}

/** All extents, asked for `limit` at a time, after their shape was checked and that what is not data reads as zeros. */
async function allExtents(t: ExecutionContext, device: BlockDevice, limit: number): Promise<Extent[]> {
  const all: Extent[] = [];
  for (let at = 0; at < device.sizeBytes;) {
    const found = await device.extents(at, device.sizeBytes - at, limit);
    const end = checkShape(t, found, at, limit);
    t.true(end > at && end <= device.sizeBytes);
    all.push(...found);
    at = end;
  }
  for (const { offset, length, state } of all) {
    if (state !== 'data') {
      sameBytes(t, new Uint8Array(length), await readBack(device, offset, length), `${state} at ${offset}`);
    }
  }
  return all;
}

function stateAt(extents: readonly Extent[], offset: number): string | undefined {
  return extents.find((extent) => offset >= extent.offset && offset < extent.offset + extent.length)?.state;
}

/** Trim, zero and extents. */
export function spaceTests(check: DeviceTest): void {
  for (const mode of ['may-trim', 'keep-allocated'] as const) {
    check(`zero (${mode}) leaves zeros, and its neighbours as they were`, async (t, run) => {
      const device = await run.device(sizeBytes);
      if (device.capabilities.zero === 'none') {
        await failsWith(t, 'unsupported', () => device.zero(0, whole(device, 4096), mode, false));
        return;
      }
      const model = pattern(3, 2 * MiB);
      await device.write(0, model, false);
      for (const [place, size] of [
        [0, 4096],
        [10_001, 1],
        [20_000, 4096],
        [70_000, 300_000],
        [512 * KiB, 512 * KiB],
        [MiB + 1, MiB - 2],
      ] as const) {
        const offset = whole(device, place);
        const length = Math.min(whole(device, size), 2 * MiB - offset);
        await device.zero(offset, length, mode, false);
        model.fill(0, offset, offset + length);
        sameBytes(t, model, await readBack(device, 0, model.length), `${size} at ${place}`);
      }
      await allExtents(t, device, 100);
    });
  }

  check('trim leaves its neighbours as they were, and zeros where it is native', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.trim === 'none') {
      await failsWith(t, 'unsupported', () => device.trim(0, whole(device, 4096), false));
      return;
    }
    const model = pattern(4, 2 * MiB);
    await device.write(0, model, false);
    for (const [place, size] of [
      [0, 4096],
      [9_999, 2],
      [20_000, 8192],
      [70_000, 300_000],
      [512 * KiB, 512 * KiB],
    ] as const) {
      const offset = whole(device, place);
      const length = whole(device, size);
      await device.trim(offset, length, false);
      const found = await readBack(device, 0, model.length);
      if (device.capabilities.trim === 'native') model.fill(0, offset, offset + length);
      else model.set(found.subarray(offset, offset + length), offset);
      sameBytes(t, model, found, `${size} at ${place}`);
    }
    await allExtents(t, device, 100);
  });

  check('what was trimmed or zeroed can be written again', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { trim, zero } = device.capabilities;
    const bytes = pattern(9, MiB);
    await device.write(0, pattern(8, MiB), false);
    if (trim !== 'none') await device.trim(0, MiB, false);
    if (zero !== 'none') await device.zero(0, MiB, 'keep-allocated', false);
    await device.write(0, bytes, false);
    sameBytes(t, bytes, await readBack(device, 0, MiB), 'what was written last');
  });

  check('extents cover what was asked for, in order, and tell data where data is', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.extents === 'none') {
      await failsWith(t, 'unsupported', () => device.extents(0, whole(device, 4096), 1));
      return;
    }
    await device.write(MiB, pattern(1, MiB), false);
    await device.write(5 * MiB, pattern(2, 64 * KiB), false);
    const extents = await allExtents(t, device, 1000);
    t.is(stateAt(extents, MiB), 'data');
    t.is(stateAt(extents, 2 * MiB - 1), 'data');
    t.is(stateAt(extents, 5 * MiB), 'data');
    if (device.capabilities.extents === 'native') {
      t.not(stateAt(extents, 0), 'data');
      t.not(stateAt(extents, 2 * MiB + device.blockSizes.preferred), 'data');
      t.not(stateAt(extents, sizeBytes - 1), 'data');
    }
  });

  check('extents of a part begin and end with the part', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.extents === 'none') return void t.pass();
    await device.write(MiB, pattern(1, MiB), false);
    const { minimum } = device.blockSizes;
    for (const [offset, length] of [
      [MiB + minimum, minimum],
      [MiB - minimum, 3 * minimum],
      [0, sizeBytes],
      [2 * MiB - minimum, MiB],
      [sizeBytes - minimum, minimum],
    ] as const) {
      const found = await device.extents(offset, length, 1000);
      t.is(checkShape(t, found, offset, 1000), offset + length);
    }
  });

  check('extents stop at their limit and are never none', async (t, run) => {
    const device = await run.device(sizeBytes);
    if (device.capabilities.extents === 'none') return void t.pass();
    for (let at = 0; at < sizeBytes; at += MiB) await device.write(at, pattern(1, 256 * KiB), false);
    const all = await allExtents(t, device, 1000);
    for (const limit of [1, 2, 5]) {
      const states = await allExtents(t, device, limit);
      t.is(
        all.every((extent) => stateAt(states, extent.offset) === extent.state),
        true,
        `limit ${limit}`,
      );
    }
    await failsWith(t, 'invalid', () => device.extents(0, sizeBytes, 0), 'a limit of 0');
  });

  check('trim makes a hole and keep-allocated zeros none, where both are native', async (t, run) => {
    const device = await run.device(sizeBytes);
    const { trim, zero, extents } = device.capabilities;
    if (trim !== 'native' || zero !== 'native' || extents !== 'native') return void t.pass();
    await device.write(0, pattern(1, 6 * MiB), false);
    await device.trim(MiB, MiB, false);
    await device.zero(3 * MiB, MiB, 'keep-allocated', false);
    const found = await allExtents(t, device, 1000);
    // Up to a preferred block at either end may have been written as zeros.
    const { preferred } = device.blockSizes;
    t.is(stateAt(found, MiB + preferred), 'hole');
    t.is(stateAt(found, 2 * MiB - preferred - 1), 'hole');
    t.is(stateAt(found, 2 * MiB), 'data');
    t.is(stateAt(found, 5 * MiB), 'data');
  });

  check('a huge device costs what is written to it, to its last block', async (t, run) => {
    const huge = run.subject.sparseSizeBytes;
    if (huge === undefined) return void t.pass();
    const device = await run.device(huge);
    const places = [0, whole(device, Math.floor(huge / 3)), huge - whole(device, 4096)];
    for (const [tag, place] of places.entries()) await device.write(place, pattern(tag, whole(device, 4096)), false);
    for (const [tag, place] of places.entries()) {
      sameBytes(
        t,
        pattern(tag, whole(device, 4096)),
        await readBack(device, place, whole(device, 4096)),
        `at ${place}`,
      );
    }
    if (device.capabilities.extents === 'native') {
      const extents = await device.extents(0, huge, 100);
      t.is(checkShape(t, extents, 0, 100), huge);
      t.true(extents.reduce((sum, { length, state }) => sum + (state === 'data' ? length : 0), 0) <= 3 * 4 * MiB);
    }
    if (device.capabilities.fastZero !== 'none') {
      await device.zero(0, huge, 'may-trim', false);
      for (const place of places) {
        sameBytes(t, new Uint8Array(4096), await readBack(device, place, 4096), `zeroed at ${place}`);
      }
    }
  });
}
