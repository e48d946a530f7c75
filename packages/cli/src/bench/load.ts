import { randomFillSync } from 'node:crypto';
import { AshlarError, alignDown, MiB, type BlockDevice } from '@ashlar/core';
import { build, type Histogram } from 'hdr-histogram-js';
import type { LoadOperation } from './operations.ts';

type LoadOptions = {
  readonly operation: LoadOperation;
  /** Bytes of each request. */
  readonly sizeBytes: number;
  /** Requests in flight at once. */
  readonly depth: number;
  readonly seconds: number;
  /** Of `randrw`: reads in a hundred. */
  readonly readPercent: number;
  /** A flush after each so many writes; 0: none. */
  readonly flushEvery: number;
  /** Bytes from the start that are touched; the whole device by default. */
  readonly rangeBytes: number | undefined;
};

/** Latencies in microseconds. */
export type LoadSummary = {
  readonly operations: number;
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly meanMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
  readonly maxMicros: number;
};

export type LoadResult = {
  readonly seconds: number;
  readonly read: LoadSummary | undefined;
  readonly write: LoadSummary | undefined;
  readonly flush: LoadSummary | undefined;
};

/** How far a load is: what ended so far. */
type LoadProgress = { readonly elapsedMs: number; readonly operations: number };

function newHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 });
}

function summary(histogram: Histogram, sizeBytes: number, seconds: number): LoadSummary | undefined {
  const operations = histogram.totalCount;
  if (operations === 0) return undefined;
  return {
    operations,
    operationsPerSecond: operations / seconds,
    bytesPerSecond: (operations * sizeBytes) / seconds,
    meanMicros: histogram.mean,
    p50Micros: histogram.getValueAtPercentile(50),
    p99Micros: histogram.getValueAtPercentile(99),
    p999Micros: histogram.getValueAtPercentile(99.9),
    maxMicros: histogram.maxValue,
  };
}

/** Keeps `depth` requests in flight on a device for a time, and measures each. */
export class Load {
  readonly #device: BlockDevice;
  readonly #options: LoadOptions;
  readonly #histograms = { read: newHistogram(), write: newHistogram(), flush: newHistogram() };
  readonly #blocks: number;
  /** Incompressible; writes take windows of it. */
  readonly #source: Uint8Array;
  #nextBlock = 0;
  #writes = 0;
  #startMs = 0;
  #operations = 0;

  constructor(device: BlockDevice, options: LoadOptions) {
    const rangeBytes = Math.min(device.sizeBytes, options.rangeBytes ?? device.sizeBytes);
    this.#blocks = alignDown(rangeBytes, options.sizeBytes) / options.sizeBytes;
    if (this.#blocks < 1)
      throw new AshlarError(
        'invalid',
        `the device of ${device.sizeBytes} bytes has no room for one request of ${options.sizeBytes} bytes`,
      );
    this.#device = device;
    this.#options = options;
    this.#source = randomFillSync(new Uint8Array(options.sizeBytes + MiB));
  }

  get progress(): LoadProgress {
    return { elapsedMs: performance.now() - this.#startMs, operations: this.#operations };
  }

  /** Settles when the time is over and all is answered; rejects with the first error. */
  async run(): Promise<LoadResult> {
    const { depth, sizeBytes } = this.#options;
    this.#startMs = performance.now();
    await Promise.all(Array.from({ length: depth }, () => this.#lane()));
    const seconds = (performance.now() - this.#startMs) / 1000;
    const { read, write, flush } = this.#histograms;
    return {
      seconds,
      read: summary(read, sizeBytes, seconds),
      write: summary(write, sizeBytes, seconds),
      flush: summary(flush, 0, seconds),
    };
  }

  /** One request after the other. */
  async #lane(): Promise<void> {
    const { seconds, sizeBytes, flushEvery } = this.#options;
    const untilMs = this.#startMs + seconds * 1000;
    const into = new Uint8Array(sizeBytes);
    while (performance.now() < untilMs) {
      const offset = this.#offset();
      if (this.#reads()) await this.#measure('read', () => this.#device.read(offset, into));
      else {
        const start = Math.floor(Math.random() * MiB);
        const from = this.#source.subarray(start, start + sizeBytes);
        await this.#measure('write', () => this.#device.write(offset, from, false));
        this.#writes += 1;
        if (flushEvery > 0 && this.#writes % flushEvery === 0) await this.#measure('flush', () => this.#device.flush());
      }
    }
  }

  async #measure(kind: 'read' | 'write' | 'flush', operation: () => void | Promise<void>): Promise<void> {
    const startMs = performance.now();
    await operation();
    this.#histograms[kind].recordValue(Math.max(1, Math.round((performance.now() - startMs) * 1000)));
    this.#operations += 1;
  }

  #reads(): boolean {
    const { operation, readPercent } = this.#options;
    if (operation === 'randrw') return Math.random() * 100 < readPercent;
    return operation === 'read' || operation === 'randread';
  }

  #offset(): number {
    const { operation, sizeBytes } = this.#options;
    if (operation.startsWith('rand')) return Math.floor(Math.random() * this.#blocks) * sizeBytes;
    const block = this.#nextBlock;
    this.#nextBlock = (block + 1) % this.#blocks;
    return block * sizeBytes;
  }
}
