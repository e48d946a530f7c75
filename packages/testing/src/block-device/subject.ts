import { alignUp, type BlockDevice, type Settled } from '@ashlar/core';
import type { ExecutionContext, TestFn } from 'ava';

/** A device under test, and what its kind can do besides. */
export type DeviceFixture = {
  readonly device: BlockDevice;
  /** Closes the device and opens the same contents again. Left out where nothing outlives a close. */
  readonly reopen?: () => Settled<BlockDevice>;
  /** Removes whatever the fixture made; the device may be closed or not. */
  readonly dispose?: () => Settled<void>;
};

export type DeviceSubject = {
  /** A new device of zeros. */
  readonly create: (sizeBytes: number) => Settled<DeviceFixture>;
  /** Bytes of the largest device that costs no more than what is written to it; left out where none does. */
  readonly sparseSizeBytes?: number;
  /** Sizes are multiples of it; the device's minimum block by default. */
  readonly sizeUnitBytes?: number;
};

export type DeviceTest = (title: string, body: (t: ExecutionContext, run: DeviceRun) => Promise<void>) => void;

/** One test's devices: made on demand, closed and removed when the test ends. */
export class DeviceRun {
  readonly subject: DeviceSubject;
  readonly #fixtures: DeviceFixture[] = [];

  constructor(subject: DeviceSubject) {
    this.subject = subject;
  }

  async fixture(sizeBytes: number): Promise<DeviceFixture> {
    const fixture = await this.subject.create(sizeBytes);
    this.#fixtures.push(fixture);
    return fixture;
  }

  async device(sizeBytes: number): Promise<BlockDevice> {
    return (await this.fixture(sizeBytes)).device;
  }

  async end(): Promise<void> {
    for (const fixture of this.#fixtures) {
      await fixture.device.close();
      await fixture.dispose?.();
    }
  }
}

export function deviceTest(test: TestFn, name: string, subject: DeviceSubject): DeviceTest {
  return (title, body) => {
    test(`${name}: ${title}`, async (t) => {
      const run = new DeviceRun(subject);
      try {
        await body(t, run);
      } finally {
        await run.end();
      }
    });
  };
}

/** The least multiple of the device's minimum block that is not below `bytes`. */
export function whole(device: BlockDevice, bytes: number): number {
  return alignUp(bytes, device.blockSizes.minimum);
}

/** Where a pattern begins again: from one row of 256 bytes to the next it goes on by 20 of 255. */
const periodBytes = 51 * 256;
const periods = new Map<number, Uint8Array>();

function periodOf(tag: number): Uint8Array {
  const known = periods.get(tag % 255);
  if (known !== undefined) return known;
  const period = new Uint8Array(periodBytes);
  for (let index = 0; index < periodBytes; index += 1)
    period[index] = ((index * 7 + (index >>> 8) * 13 + tag * 31) % 255) + 1;
  periods.set(tag % 255, period);
  return period;
}

/** Bytes that differ from place to place and from one `tag` to the next, and are never 0. */
export function pattern(tag: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const period = periodOf(tag);
  for (let at = 0; at < length; at += periodBytes) bytes.set(period.subarray(0, length - at), at);
  return bytes;
}

export async function readBack(device: BlockDevice, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee);
  await device.read(offset, into);
  return into;
}
