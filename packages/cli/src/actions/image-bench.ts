import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { UsageError } from '../failure.ts';
import { openExisting } from '../image/disks.ts';
import { diskNamed, type NameOptions } from '../image/named.ts';
import { print } from '../output.ts';

export type BenchOptions = NameOptions & {
  readonly count: number;
  readonly depth: number;
  readonly bufferSize: number;
  readonly stepSize?: number;
  readonly offset: number;
  readonly write?: boolean;
  readonly pattern: number;
  readonly flushInterval: number;
  readonly drain: boolean;
  readonly quiet?: boolean;
};

function refuse({ depth, flushInterval, write = false }: BenchOptions): void {
  if (flushInterval > 0 && !write) throw new UsageError('--flush-interval is of writes: add -w');
  if (flushInterval > 0 && flushInterval < depth) {
    throw new UsageError(`--flush-interval is not below the ${depth} requests that are under way at once`);
  }
}

export async function bench(word: string, options: BenchOptions): Promise<void> {
  refuse(options);
  const { bufferSize, count, depth, flushInterval, offset, quiet = false, write = false } = options;
  const say = (sentence: string): void => (quiet ? undefined : print(sentence));
  const step = options.stepSize ?? bufferSize;
  const disk = diskNamed(word, options);
  const device = await openExisting(createRealHost(), disk, !write);
  try {
    if (device.sizeBytes < bufferSize)
      throw new UsageError(`'${disk.name}' has ${device.sizeBytes} bytes: ask for less at once`);
    const kind = write ? 'write' : 'read';
    say(
      `Sending ${count} ${kind} requests, ${bufferSize} bytes each, ${depth} in parallel (starting at offset ${offset}, step size ${step})`,
    );
    if (flushInterval > 0) say(`Sending flush every ${flushInterval} requests`);
    const start = performance.now();
    await new Requests(device, { ...options, stepSize: step }).run();
    say(`Run completed in ${((performance.now() - start) / 1000).toFixed(3)} seconds.`);
  } finally {
    await device.close();
  }
}

/** Requests of which so many are under way at once. */
class Requests {
  readonly #device: BlockDevice;
  readonly #options: BenchOptions & { readonly stepSize: number };
  #sent = 0;
  #offset: number;
  /** What a flush waits for, and what waits for a flush. */
  readonly #underWay = new Set<Promise<void>>();
  #flushing: Promise<void> | undefined;

  constructor(device: BlockDevice, options: BenchOptions & { readonly stepSize: number }) {
    this.#device = device;
    this.#options = options;
    this.#offset = options.offset % device.sizeBytes;
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.depth }, () => this.#lane()));
    await this.#flushing;
  }

  async #lane(): Promise<void> {
    const { bufferSize, count, drain, flushInterval, pattern } = this.#options;
    const buffer = new Uint8Array(bufferSize).fill(pattern);
    while (this.#sent < count) {
      if (drain && this.#flushing !== undefined) {
        await this.#flushing;
        continue;
      }
      this.#sent += 1;
      const isFlushed = flushInterval > 0 && this.#sent % flushInterval === 0;
      const request = Promise.try(() => this.#request(buffer));
      this.#underWay.add(request);
      if (isFlushed) this.#flushing = this.#flush();
      await request.finally(() => this.#underWay.delete(request));
    }
  }

  #request(buffer: Uint8Array): void | Promise<void> {
    const { sizeBytes } = this.#device;
    const at = this.#offset + buffer.length > sizeBytes ? 0 : this.#offset;
    this.#offset = (at + this.#options.stepSize) % sizeBytes;
    return this.#options.write === true ? this.#device.write(at, buffer, false) : this.#device.read(at, buffer);
  }

  async #flush(): Promise<void> {
    if (this.#options.drain) await Promise.all(this.#underWay);
    await this.#device.flush();
    this.#flushing = undefined;
  }
}
