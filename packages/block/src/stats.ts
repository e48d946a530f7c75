import {
  errorKindOf,
  errorKinds,
  isPromise,
  type BlockDevice,
  type Clock,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { bucketCount, LatencyHistogram } from './histogram.ts';
import { Layer } from './layer.ts';
import { operationNames, type OperationName } from './operation.ts';

/** Where a counter stands among those of one operation; the histogram's buckets and the errors by kind follow. */
const slot = { operations: 0, bytes: 1, inFlight: 2, durationMs: 3, buckets: 4, errors: 4 + bucketCount } as const;
const slotsEach = slot.errors + errorKinds.length;

/** Bytes of the memory that holds one device's counters. */
export const deviceStatsBytes = operationNames.length * slotsEach * Float64Array.BYTES_PER_ELEMENT;

const kindIndex = new Map(errorKinds.map((kind, index) => [kind, index]));

/** The counters of one operation of one device. They only grow, but for `inFlight`. */
export class OperationStats {
  readonly latency: LatencyHistogram;
  readonly #values: Float64Array;

  constructor(values: Float64Array) {
    this.#values = values;
    this.latency = new LatencyHistogram(values.subarray(slot.buckets, slot.errors));
  }

  /** Ended, well or not. */
  get operations(): number {
    return this.#values[slot.operations] ?? 0;
  }

  /** Of those that ended well. */
  get bytes(): number {
    return this.#values[slot.bytes] ?? 0;
  }

  get inFlight(): number {
    return this.#values[slot.inFlight] ?? 0;
  }

  /** The sum over all that ended. */
  get durationMs(): number {
    return this.#values[slot.durationMs] ?? 0;
  }

  /** How many failed, in the order of `errorKinds`. */
  get errors(): Float64Array {
    return this.#values.subarray(slot.errors, slotsEach);
  }

  started(): void {
    this.#add(slot.inFlight, 1);
  }

  ended(durationMs: number, bytes: number): void {
    this.#add(slot.inFlight, -1);
    this.#add(slot.operations, 1);
    this.#add(slot.bytes, bytes);
    this.#add(slot.durationMs, durationMs);
    this.latency.record(durationMs);
  }

  failed(durationMs: number, error: unknown): void {
    this.ended(durationMs, 0);
    this.#add(slot.errors + (kindIndex.get(errorKindOf(error)) ?? 0), 1);
  }

  #add(index: number, amount: number): void {
    this.#values[index] = (this.#values[index] ?? 0) + amount;
  }
}

export type DeviceStats = { readonly [name in OperationName]: OperationStats };

/**
 * The counters in `memory` (`deviceStatsBytes` long). With a SharedArrayBuffer the thread of the device writes them and
 * any other reads them at any time.
 */
export function deviceStats(memory: ArrayBufferLike = new ArrayBuffer(deviceStatsBytes)): DeviceStats {
  const stats: Partial<Record<OperationName, OperationStats>> = {};
  for (const [index, name] of operationNames.entries()) {
    const start = index * slotsEach * Float64Array.BYTES_PER_ELEMENT;
    stats[name] = new OperationStats(new Float64Array(memory, start, slotsEach));
  }
  return stats as Record<OperationName, OperationStats>;
}

class StatsDevice extends Layer {
  readonly #stats: DeviceStats;
  readonly #clock: Clock;

  constructor(below: BlockDevice, clock: Clock, stats: DeviceStats) {
    super(below);
    this.#clock = clock;
    this.#stats = stats;
  }

  // Each operation is written out: a closure or a record for each would be an allocation on every data path.

  override read(offset: number, into: Uint8Array): Settled<void> {
    const stats = this.#stats.read;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, into.length, this.below.read(offset, into));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    const stats = this.#stats.write;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, from.length, this.below.write(offset, from, durable));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override trim(offset: number, length: number, durable: boolean): Settled<void> {
    const stats = this.#stats.trim;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, length, this.below.trim(offset, length, durable));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    const stats = this.#stats.zero;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, length, this.below.zero(offset, length, mode, durable));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override flush(): Settled<void> {
    const stats = this.#stats.flush;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, 0, this.below.flush());
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    const stats = this.#stats.extents;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, length, this.below.extents(offset, length, limit));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override prefetch(offset: number, length: number): Settled<void> {
    const stats = this.#stats.prefetch;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, length, this.below.prefetch(offset, length));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    const stats = this.#stats.compareAndWrite;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, from.length, this.below.compareAndWrite(offset, expected, from, durable));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    const stats = this.#stats.copyFrom;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, length, this.below.copyFrom(source, sourceOffset, offset, length));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  override resize(sizeBytes: number): Settled<void> {
    const stats = this.#stats.resize;
    const startMs = this.#start(stats);
    try {
      return this.#ended(stats, startMs, 0, this.below.resize(sizeBytes));
    } catch (error) {
      throw this.#failed(stats, startMs, error);
    }
  }

  #start(stats: OperationStats): number {
    stats.started();
    return this.#clock.monotonicMs();
  }

  #ended<T>(stats: OperationStats, startMs: number, bytes: number, result: Settled<T>): Settled<T> {
    if (!isPromise(result)) {
      stats.ended(this.#clock.monotonicMs() - startMs, bytes);
      return result;
    }
    return result.then(
      (value) => {
        stats.ended(this.#clock.monotonicMs() - startMs, bytes);
        return value;
      },
      (error: unknown) => {
        throw this.#failed(stats, startMs, error);
      },
    );
  }

  #failed(stats: OperationStats, startMs: number, error: unknown): unknown {
    stats.failed(this.#clock.monotonicMs() - startMs, error);
    return error;
  }
}

/** Counts operations, bytes, time, what is in flight and errors, into `stats`. Closing it closes the device below. */
export function statsDevice(below: BlockDevice, clock: Clock, stats: DeviceStats): BlockDevice {
  return new StatsDevice(below, clock, stats);
}
