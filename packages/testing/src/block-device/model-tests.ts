import { alignDown, type BlockDevice } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { firstDifference } from '../expect.ts';
import { SeededRandom } from '../seeded-random.ts';
import { readBack, type DeviceFixture, type DeviceRun, type DeviceTest } from './subject.ts';

const operations = 250;
const largestBytes = 3 * 1024 * 1024;

/** A device and what it should hold, changed together. */
class Model {
  readonly #random: SeededRandom;
  readonly #unit: number;
  readonly #sizeUnit: number;
  #device: BlockDevice;
  #bytes: Uint8Array;

  constructor(device: BlockDevice, random: SeededRandom, sizeUnitBytes: number | undefined) {
    this.#device = device;
    this.#random = random;
    this.#unit = device.blockSizes.minimum;
    this.#sizeUnit = sizeUnitBytes ?? this.#unit;
    this.#bytes = new Uint8Array(device.sizeBytes);
  }

  /** One operation; gives it in words. */
  async step(fixture: DeviceFixture): Promise<string> {
    const random = this.#random;
    const can = this.#device.capabilities;
    const durable = can.durable !== 'none' && random.oneIn(8);
    const [offset, length] = this.#range();
    switch (random.below(12)) {
      case 0:
        if (can.trim !== 'native') return 'nothing';
        await this.#device.trim(offset, length, durable);
        this.#bytes.fill(0, offset, offset + length);
        return `trim ${length} at ${offset}`;
      case 1:
        if (can.zero === 'none') return 'nothing';
        await this.#device.zero(offset, length, random.oneIn(2) ? 'may-trim' : 'keep-allocated', durable);
        this.#bytes.fill(0, offset, offset + length);
        return `zero ${length} at ${offset}`;
      case 2:
        if (can.flush !== 'none') await this.#device.flush();
        return 'flush';
      case 3:
        return await this.#resize();
      case 4:
        return await this.#copy(offset, length);
      case 5:
        return await this.#reopen(fixture);
      default: {
        const bytes = new Uint8Array(length).fill(random.between(1, 255));
        random.fill(bytes.subarray(0, 64));
        await this.#device.write(offset, bytes, durable);
        this.#bytes.set(bytes, offset);
        return `write ${length} at ${offset}`;
      }
    }
  }

  async difference(): Promise<string | undefined> {
    const [offset, length] = this.#random.oneIn(8) ? [0, this.#bytes.length] : this.#range();
    const found = await readBack(this.#device, offset, length);
    const difference = firstDifference(this.#bytes.subarray(offset, offset + length), found);
    return difference === undefined ? undefined : `${difference} of a read of ${length} at ${offset}`;
  }

  async close(): Promise<void> {
    await this.#device.close();
  }

  #range(): [number, number] {
    const size = this.#bytes.length;
    const most = this.#random.pick([512, 4096, 20_000, 200_000, size]);
    const length = alignDown(this.#random.below(Math.min(most, size) + 1), this.#unit);
    return [alignDown(this.#random.below(size - length + 1), this.#unit), length];
  }

  async #resize(): Promise<string> {
    if (this.#device.capabilities.resize === 'none' || !this.#random.oneIn(3)) return 'nothing';
    const sizeBytes = alignDown(this.#random.below(largestBytes), this.#sizeUnit);
    await this.#device.resize(sizeBytes);
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#bytes.subarray(0, sizeBytes));
    this.#bytes = bytes;
    return `resize to ${sizeBytes}`;
  }

  async #copy(offset: number, length: number): Promise<string> {
    const half = alignDown(Math.min(length, Math.floor(this.#bytes.length / 2)), this.#unit);
    const source = offset >= half ? 0 : offset + half;
    if (this.#device.capabilities.copyFrom === 'none' || source + half > this.#bytes.length) return 'nothing';
    await this.#device.copyFrom(this.#device, source, offset, half);
    this.#bytes.copyWithin(offset, source, source + half);
    return `copy ${half} from ${source} to ${offset}`;
  }

  async #reopen(fixture: DeviceFixture): Promise<string> {
    if (fixture.reopen === undefined || !this.#random.oneIn(4)) return 'nothing';
    this.#device = await fixture.reopen();
    return 'reopen';
  }
}

async function runSeed(t: ExecutionContext, run: DeviceRun, seed: number): Promise<void> {
  const fixture = await run.fixture(1024 * 1024);
  const model = new Model(fixture.device, new SeededRandom(seed), run.subject.sizeUnitBytes);
  const history: string[] = [];
  try {
    for (let step = 0; step < operations; step += 1) {
      history.push(await model.step(fixture));
      const difference = await model.difference();
      if (difference === undefined) continue;
      t.fail(`seed ${seed}, step ${step}: ${difference}\n${history.filter((line) => line !== 'nothing').join('\n')}`);
      return;
    }
  } finally {
    await model.close();
  }
  t.pass();
}

/** Random histories against a plain array of bytes. */
export function modelTests(check: DeviceTest): void {
  for (const seed of [1, 2, 3]) {
    check(`a random history reads like a plain array of bytes (seed ${seed})`, async (t, run) => {
      await runSeed(t, run, seed);
    });
  }
}
