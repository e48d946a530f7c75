import {
  alignDown,
  alignUp,
  assert,
  isPromise,
  andThen,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Capability,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { checkEqual, checkLimit, checkRange, checkSameLength, checkSize, closedError, stepBytes } from './check.ts';
import { copyRange, copyRangeBackwards } from './copy-range.ts';
import { InFlight } from './in-flight.ts';
import { Layer } from './layer.ts';
import { RangeLock } from './range-lock.ts';

export type EmulateOptions = {
  /** Bytes; a power of two not above the device's own minimum, which is the default. */
  readonly minimumBlockBytes?: number;
};

/** Read-only zeros for every emulated zeroing. */
const zeros = new Uint8Array(1024 * 1024);

function atLeastEmulated(capability: Capability): Capability {
  return capability === 'none' ? 'emulated' : capability;
}

class EmulatedDevice extends Layer {
  readonly #lock = new RangeLock();
  readonly #inFlight = new InFlight();
  readonly #sizes: BlockSizes;
  readonly #has: BlockCapabilities;
  readonly #capabilities: BlockCapabilities;
  /** The device below takes blocks as small as this one. */
  readonly #anyAlignment: boolean;
  #closed = false;

  constructor(below: BlockDevice, options: EmulateOptions) {
    super(below);
    const minimum = options.minimumBlockBytes ?? below.blockSizes.minimum;
    assert(minimum <= below.blockSizes.minimum, `blocks of ${minimum} bytes are larger than the device's own`);
    this.#anyAlignment = minimum === below.blockSizes.minimum;
    this.#sizes = { ...below.blockSizes, minimum };
    const has = below.capabilities;
    this.#has = has;
    this.#capabilities = {
      flush: atLeastEmulated(has.flush),
      durable: atLeastEmulated(has.durable),
      trim: atLeastEmulated(has.trim),
      zero: atLeastEmulated(has.zero),
      fastZero: has.fastZero === 'none' && has.trim === 'native' ? 'emulated' : has.fastZero,
      extents: atLeastEmulated(has.extents),
      prefetch: atLeastEmulated(has.prefetch),
      compareAndWrite: atLeastEmulated(has.compareAndWrite),
      copyFrom: atLeastEmulated(has.copyFrom),
      resize: has.resize,
      multiConnection: has.multiConnection,
    };
  }

  override get blockSizes(): BlockSizes {
    return this.#sizes;
  }

  override get capabilities(): BlockCapabilities {
    return this.#capabilities;
  }

  override read(offset: number, into: Uint8Array): Settled<void> {
    if (this.#aligned(offset, into.length)) return this.below.read(offset, into);
    this.#check('read', offset, into.length);
    return this.#inFlight.track(this.#readMerging(offset, into));
  }

  override write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    this.#check('write', offset, from.length);
    if (this.#aligned(offset, from.length) && this.#lock.isFree(offset, from.length)) {
      const result = this.#writeBelow(offset, from, durable);
      return isPromise(result) ? this.#lock.hold(offset, from.length, result) : result;
    }
    return this.#locked(offset, from.length, () => this.#writeMerging(offset, from, durable));
  }

  override trim(offset: number, length: number, durable: boolean): Settled<void> {
    this.#check('trim', offset, length);
    return this.#locked(offset, length, () => this.#trimBelow(offset, length, durable));
  }

  override zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    this.#check('zero', offset, length);
    return this.#locked(offset, length, () => this.#zeroBelow(offset, length, mode, durable));
  }

  override flush(): Settled<void> {
    return this.#has.flush === 'none' ? undefined : this.below.flush();
  }

  override extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.#check('extents', offset, length);
    checkLimit(limit);
    if (this.#has.extents === 'none') return length === 0 ? [] : [{ offset, length, state: 'data' }];
    if (this.#aligned(offset, length)) return this.below.extents(offset, length, limit);
    const start = this.#down(offset);
    const clip = (found: readonly Extent[]): readonly Extent[] =>
      found.flatMap((extent) => {
        const from = Math.max(extent.offset, offset);
        const to = Math.min(extent.offset + extent.length, offset + length);
        return to > from ? [{ offset: from, length: to - from, state: extent.state }] : [];
      });
    return andThen(this.below.extents(start, this.#up(offset + length) - start, limit), clip);
  }

  override prefetch(offset: number, length: number): Settled<void> {
    this.#check('prefetch', offset, length);
    if (this.#has.prefetch === 'none') return;
    const start = this.#down(offset);
    return this.below.prefetch(start, this.#up(offset + length) - start);
  }

  override compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    this.#check('compareAndWrite', offset, from.length);
    checkSameLength(offset, expected, from);
    if (this.#has.compareAndWrite !== 'none' && this.#aligned(offset, from.length)) {
      return this.#locked(offset, from.length, () => this.below.compareAndWrite(offset, expected, from, durable));
    }
    return this.#locked(offset, from.length, () => {
      const found = new Uint8Array(from.length);
      return andThen(this.#readMerging(offset, found), () => {
        checkEqual(offset, expected, found);
        return this.#writeMerging(offset, from, durable);
      });
    });
  }

  override copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    this.#check('copyFrom', offset, length);
    checkRange(source, 'copyFrom', sourceOffset, length);
    if (this.#has.copyFrom !== 'none' && this.#aligned(offset, length)) {
      const inner = source instanceof EmulatedDevice ? source.below : source;
      return this.#locked(offset, length, () => this.below.copyFrom(inner, sourceOffset, offset, length));
    }
    const target = {
      blockSizes: this.#sizes,
      write: (at: number, from: Uint8Array) => this.#writeMerging(at, from, false),
      zero: (at: number, size: number, mode: ZeroMode) => this.#zeroBelow(at, size, mode, false),
    };
    const inside = source === this && offset > sourceOffset && offset < sourceOffset + length;
    const copy = inside ? copyRangeBackwards : copyRange;
    return this.#locked(offset, length, () => copy(source, sourceOffset, target, offset, length));
  }

  override resize(sizeBytes: number): Settled<void> {
    if (this.#closed) throw closedError('resize');
    if (this.#has.resize !== 'none') checkSize(this, sizeBytes);
    return this.#locked(0, Number.POSITIVE_INFINITY, () => this.below.resize(sizeBytes));
  }

  override close(): Settled<void> {
    this.#closed = true;
    return andThen(this.#inFlight.idle(), () => this.below.close());
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }

  #aligned(offset: number, length: number): boolean {
    if (this.#anyAlignment) return true;
    const unit = this.below.blockSizes.minimum;
    return offset % unit === 0 && length % unit === 0;
  }

  #down(offset: number): number {
    return alignDown(offset, this.below.blockSizes.minimum);
  }

  #up(offset: number): number {
    return alignUp(offset, this.below.blockSizes.minimum);
  }

  /** The lock covers the whole blocks of the device below: a merge rewrites them. */
  #locked<T>(offset: number, length: number, run: () => Settled<T>): Settled<T> {
    const start = this.#down(offset);
    const size = length === Number.POSITIVE_INFINITY ? length : this.#up(offset + length) - start;
    return this.#inFlight.track(this.#lock.run(start, size, run));
  }

  #writeBelow(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    if (!durable || this.#has.durable !== 'none') return this.below.write(offset, from, durable);
    return andThen(this.below.write(offset, from, false), () => this.flush());
  }

  /** Reads what is not whole blocks through a copy of the whole blocks around it. */
  #readMerging(offset: number, into: Uint8Array): Settled<void> {
    if (this.#aligned(offset, into.length)) return this.below.read(offset, into);
    const start = this.#down(offset);
    const whole = new Uint8Array(this.#up(offset + into.length) - start);
    return andThen(this.below.read(start, whole), () =>
      into.set(whole.subarray(offset - start, offset - start + into.length)),
    );
  }

  /** Writes what is not whole blocks by reading the whole blocks around it first; under the lock. */
  #writeMerging(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    if (this.#aligned(offset, from.length)) return this.#writeBelow(offset, from, durable);
    const start = this.#down(offset);
    const end = this.#up(offset + from.length);
    const unit = this.below.blockSizes.minimum;
    const whole = new Uint8Array(end - start);
    const tail = end - unit;
    const readTail =
      tail > start ? (): Settled<void> => this.below.read(tail, whole.subarray(tail - start)) : (): void => undefined;
    return andThen(this.below.read(start, whole.subarray(0, unit)), () =>
      andThen(readTail(), () => {
        whole.set(from, offset - start);
        return this.#writeBelow(start, whole, durable);
      }),
    );
  }

  #trimBelow(offset: number, length: number, durable: boolean): Settled<void> {
    const native = this.#has.trim === 'native';
    if (native && !this.#aligned(offset, length)) return this.#zeroEdges(offset, length, 'may-trim', durable);
    const start = this.#up(offset);
    const size = this.#down(offset + length) - start;
    const belowDurable = durable && this.#has.durable !== 'none';
    const trimmed = this.#has.trim === 'none' || size <= 0 ? undefined : this.below.trim(start, size, belowDurable);
    return durable && !belowDurable ? andThen(trimmed, () => this.flush()) : trimmed;
  }

  #zeroBelow(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    if (!this.#aligned(offset, length)) return this.#zeroEdges(offset, length, mode, durable);
    const has = this.#has;
    if (mode === 'may-trim' && has.zero === 'none' && has.trim === 'native')
      return this.#trimBelow(offset, length, durable);
    if (has.zero === 'none') return this.#writeZeros(offset, length, durable);
    if (!durable || has.durable !== 'none') return this.below.zero(offset, length, mode, durable);
    return andThen(this.below.zero(offset, length, mode, false), () => this.flush());
  }

  /** Zeros in place what is not whole blocks at either end, and what is between them as one. */
  async #zeroEdges(offset: number, length: number, mode: ZeroMode, durable: boolean): Promise<void> {
    const start = this.#up(offset);
    const end = this.#down(offset + length);
    if (end <= start) return await this.#writeZeros(offset, length, durable);
    if (start > offset) await this.#writeZeros(offset, start - offset, false);
    if (offset + length > end) await this.#writeZeros(end, offset + length - end, false);
    await this.#zeroBelow(start, end - start, mode, false);
    if (durable) await this.flush();
  }

  async #writeZeros(offset: number, length: number, durable: boolean): Promise<void> {
    const step = Math.min(zeros.length, stepBytes(this.below));
    for (let done = 0; done < length; done += step) {
      const part = zeros.subarray(0, Math.min(step, length - done));
      await this.#writeMerging(offset + done, part, false);
    }
    if (durable) await this.flush();
  }
}

/**
 * Gives a device what it lacks, each as cheaply as the device allows: small blocks by reading and writing whole ones, zero by
 * writing, durable by a flush, compareAndWrite and copyFrom by reading and writing, extents as data, trim and prefetch
 * as hints that nothing comes of. Overlapping changes wait for one another. What is there natively goes straight
 * through. A size that cannot change stays so. Closing it closes the device below.
 */
export function emulate(below: BlockDevice, options: EmulateOptions = {}): BlockDevice {
  return new EmulatedDevice(below, options);
}
