import { memoryDevice } from '@ashlar/block';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { failsWith, sameBytes, SeededRandom, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { copyDisk, type CopyOptions } from './copy-disk.ts';
import { mapDevice, type MapRun } from './map.ts';
import { concatenated, partOf, sourceOf, type CopySource } from './source.ts';
import { deviceTarget, type CopyTarget } from './target.ts';

const MiB = 2 ** 20;

const kindOf = ({ zero }: MapRun): 'data' | 'zero' => (zero ? 'zero' : 'data');

const options: CopyOptions = {
  requests: 8,
  sparseBytes: 4096,
  isUnordered: false,
  kindOf,
  progress: () => undefined,
};

const source = (device: BlockDevice): CopySource =>
  sourceOf(device, device.sizeBytes, (from, to) => mapDevice(device, 'disk', from, to));

/** Data, holes and zeros that are data, at odd places. */
async function filled(seed: number, sizeBytes: number): Promise<BlockDevice> {
  const random = new SeededRandom(seed);
  const device = memoryDevice(sizeBytes);
  for (let count = 0; count < 20; count += 1) {
    const length = Math.min(sizeBytes, 512 * (1 + random.below(4000)));
    const offset = 512 * random.below((sizeBytes - length) / 512 + 1);
    await device.write(offset, new Uint8Array(length).fill(random.below(3)), false);
  }
  return device;
}

async function contentsOf(device: BlockDevice): Promise<Uint8Array> {
  const bytes = new Uint8Array(device.sizeBytes);
  await device.read(0, bytes);
  return bytes;
}

/** Remembers how it is written, and takes its time. */
class SlowTarget implements CopyTarget {
  readonly isZero = true;
  readonly unitBytes = 1;
  readonly pieceBytes = MiB;
  readonly isOrdered = true;
  readonly offsets: number[] = [];
  underWay = 0;
  mostUnderWay = 0;

  async write(offset: number): Promise<void> {
    this.offsets.push(offset);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await new Promise((resolve) => setTimeout(resolve, (this.offsets.length * 7) % 5));
    this.underWay -= 1;
  }

  zero(): void {}

  finish(): void {}

  close(): void {}
}

for (const isZero of [true, false]) {
  for (const isUnordered of [true, false]) {
    test(`a copy is the same: ${isZero ? 'a fresh' : 'a used'} target, ${isUnordered ? 'any' : 'their'} order`, async (t) => {
      for (let seed = 0; seed < 5; seed += 1) {
        const sizeBytes = 5 * MiB + 512 * seed;
        const device = await filled(seed, sizeBytes);
        const copy = memoryDevice(sizeBytes);
        if (!isZero) await copy.write(0, new Uint8Array(sizeBytes).fill(9), false);
        await copyDisk(source(device), deviceTarget(copy, isZero), { ...options, isUnordered });
        sameBytes(t, await contentsOf(device), await contentsOf(copy), 'the copy');
      }
    });
  }
}

test('zeros in data are not written, so many as are asked for in a row', async (t) => {
  const device = memoryDevice(MiB);
  await device.write(0, new Uint8Array(MiB).fill(1), false);
  await device.write(64 * 1024, new Uint8Array(8192), false);
  for (const [sparseBytes, holes] of [
    [4096, 1],
    [65_536, 0],
    [0, 0],
  ] as const) {
    const copy = memoryDevice(MiB);
    await copyDisk(source(device), deviceTarget(copy, true), { ...options, sparseBytes });
    const extents = await copy.extents(0, MiB, 10);
    t.is(extents.filter(({ state }) => state !== 'data').length, holes, String(sparseBytes));
    sameBytes(t, await contentsOf(device), await contentsOf(copy), 'the copy');
  }
});

test('writes come in the order of their offsets, one behind the other, where that is asked for', async (t) => {
  const device = memoryDevice(20 * MiB);
  await device.write(0, new Uint8Array(20 * MiB).fill(1), false);
  const ordered = new SlowTarget();
  await copyDisk(source(device), ordered, options);
  t.is(ordered.mostUnderWay, 1);
  t.deepEqual(
    ordered.offsets,
    ordered.offsets.toSorted((one, other) => one - other),
  );
  const unordered = new SlowTarget();
  await copyDisk(source(device), unordered, { ...options, isUnordered: true, requests: 4 });
  t.true(unordered.mostUnderWay > 1 && unordered.mostUnderWay <= 4, String(unordered.mostUnderWay));
});

/** What of it the system was asked to copy. */
type Asked = readonly [from: number, offset: number, length: number];

/** A target to which the system copies, so often as `times` says. */
function offloading(copy: BlockDevice, from: BlockDevice, times: number): { target: CopyTarget; asked: Asked[] } {
  const asked: Asked[] = [];
  const copyFrom = async (place: { offset: number }, offset: number, length: number): Promise<void> => {
    asked.push([place.offset, offset, length]);
    if (asked.length > times) throw new AshlarError('unsupported', 'not between these two');
    const bytes = new Uint8Array(length);
    await from.read(place.offset, bytes);
    await copy.write(offset, bytes, false);
  };
  return { target: { ...deviceTarget(copy, true), copyFrom }, asked };
}

test('the system copies data where it can, and is not asked again where it cannot', async (t) => {
  const host = new SimulatedMachine(1).host;
  const file = host.open('/none', { create: true });
  for (const [times, most] of [
    [1000, 1000],
    [1, 9],
    [0, 8],
  ] as const) {
    const device = memoryDevice(8 * MiB + 512);
    for (const at of [0, 3 * MiB, 7 * MiB]) await device.write(at, new Uint8Array(MiB + 512).fill(1 + at / MiB), false);
    const copy = memoryDevice(device.sizeBytes);
    const { asked, target } = offloading(copy, device, times);
    const placed: CopySource = { ...source(device), placeOf: ({ offset }) => ({ file, offset: offset! }) };
    await copyDisk(placed, target, { ...options, isOffloaded: true });
    sameBytes(t, await contentsOf(device), await contentsOf(copy), 'the copy');
    t.true(asked.length > times || times === 1000);
    t.true(asked.length <= most, String(asked.length));
    for (const [from, offset] of asked) t.is(from, offset);
  }
  const device = await filled(3, 5 * MiB);
  const { asked, target } = offloading(memoryDevice(5 * MiB), device, 1000);
  await copyDisk(source(device), target, { ...options, isOffloaded: true });
  t.deepEqual(asked, [], 'what lies in no file');
});

/** A disk of which two sectors cannot be read. */
async function damaged(): Promise<CopySource> {
  const device = await filled(1, 4 * MiB);
  await device.write(0, new Uint8Array(4 * MiB).fill(5), false);
  const bad = [MiB + 512, 3 * MiB];
  const found = source(device);
  return {
    ...found,
    read(offset, into) {
      const at = bad.find((each) => each < offset + into.length && each + 512 > offset);
      if (at !== undefined) throw new AshlarError('io', `the disk has nothing at ${at}`, { offset: at });
      return found.read(offset, into);
    },
  };
}

test('what cannot be read ends the copy, and nothing is written any more', async (t) => {
  const target = new SlowTarget();
  await failsWith(t, 'io', async () => copyDisk(await damaged(), target, { ...options, requests: 2 }));
  t.is(target.underWay, 0);
});

test('what cannot be read is zeros and told, where as much as can be is to be saved', async (t) => {
  const copy = memoryDevice(4 * MiB);
  const told: number[] = [];
  await copyDisk(await damaged(), deviceTarget(copy, true), { ...options, salvaged: (offset) => told.push(offset) });
  t.deepEqual(
    told.toSorted((one, other) => one - other),
    [MiB + 512, 3 * MiB],
  );
  const expected = new Uint8Array(4 * MiB)
    .fill(5)
    .fill(0, MiB + 512, MiB + 1024)
    .fill(0, 3 * MiB, 3 * MiB + 512);
  sameBytes(t, expected, await contentsOf(copy), 'the copy');
});

test('progress ends with all of it', async (t) => {
  const told: [number, number][] = [];
  const progress = (done: number, total: number): void => void told.push([done, total]);
  await copyDisk(source(await filled(3, 3 * MiB)), new SlowTarget(), { ...options, progress });
  t.deepEqual(told.at(-1), [3 * MiB, 3 * MiB]);
});

test('parts of a disk, and disks one behind the other, are disks', async (t) => {
  const devices = [await filled(1, MiB), await filled(2, 512), await filled(3, 2 * MiB)];
  const sources = devices.map(source);
  const all = concatenated(sources);
  const bytes = Buffer.concat(await Promise.all(devices.map(contentsOf)));
  t.is(all.sizeBytes, bytes.length);
  const part = partOf(all, 100_000, 1_500_000);
  const copy = memoryDevice(1_500_000 - (1_500_000 % 512) + 512);
  await copyDisk(part, deviceTarget(copy, true), options);
  sameBytes(t, bytes.subarray(100_000, 1_600_000), (await contentsOf(copy)).subarray(0, 1_500_000), 'the part');
});
