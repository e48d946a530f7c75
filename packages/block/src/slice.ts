import {
  AshlarError,
  isPromise,
  type BlockCapabilities,
  type BlockDevice,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { checkRange, unsupportedError } from './check.ts';
import { Layer } from './layer.ts';

class SliceDevice extends Layer {
  readonly #start: number;
  readonly #length: number;
  readonly #closed: () => Settled<void>;

  constructor(below: BlockDevice, offset: number, length: number, closed: () => Settled<void>) {
    super(below);
    checkRange(below, 'slice', offset, length);
    this.#start = offset;
    this.#length = length;
    this.#closed = closed;
  }

  override get sizeBytes(): number {
    return this.#length;
  }

  override get capabilities(): BlockCapabilities {
    return { ...this.below.capabilities, resize: 'none' };
  }

  /** They are of the whole. */
  override get bitmaps(): undefined {
    return undefined;
  }

  override read(offset: number, into: Uint8Array): Settled<void> {
    checkRange(this, 'read', offset, into.length);
    return this.#shifted(() => this.below.read(this.#start + offset, into));
  }

  override write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    checkRange(this, 'write', offset, from.length);
    return this.#shifted(() => this.below.write(this.#start + offset, from, durable));
  }

  override trim(offset: number, length: number, durable: boolean): Settled<void> {
    checkRange(this, 'trim', offset, length);
    return this.#shifted(() => this.below.trim(this.#start + offset, length, durable));
  }

  override zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    checkRange(this, 'zero', offset, length);
    return this.#shifted(() => this.below.zero(this.#start + offset, length, mode, durable));
  }

  override extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    checkRange(this, 'extents', offset, length);
    const found = this.#shifted(() => this.below.extents(this.#start + offset, length, limit));
    const shift = (extents: readonly Extent[]): readonly Extent[] =>
      extents.map((extent) => ({ offset: extent.offset - this.#start, length: extent.length, state: extent.state }));
    return isPromise(found) ? found.then(shift) : shift(found);
  }

  override prefetch(offset: number, length: number): Settled<void> {
    checkRange(this, 'prefetch', offset, length);
    return this.#shifted(() => this.below.prefetch(this.#start + offset, length));
  }

  override compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    checkRange(this, 'compareAndWrite', offset, from.length);
    return this.#shifted(() => this.below.compareAndWrite(this.#start + offset, expected, from, durable));
  }

  override copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    checkRange(this, 'copyFrom', offset, length);
    return this.#shifted(() => this.below.copyFrom(source, sourceOffset, this.#start + offset, length));
  }

  override resize(): void {
    throw unsupportedError('resize of a slice');
  }

  override close(): Settled<void> {
    return this.#closed();
  }

  /** An error tells offsets of the slice, not of what is below. */
  #shifted<T>(run: () => Settled<T>): Settled<T> {
    try {
      const result = run();
      return isPromise(result) ? result.catch((error: unknown) => this.#rethrow(error)) : result;
    } catch (error) {
      return this.#rethrow(error);
    }
  }

  #rethrow(error: unknown): never {
    if (!(error instanceof AshlarError) || error.context.offset === undefined) throw error;
    throw new AshlarError(
      error.kind,
      error.message,
      { ...error.context, offset: error.context.offset - this.#start },
      error,
    );
  }
}

/**
 * The bytes [offset, offset+length) of a device as a device of their own: a partition, a logical volume's extent. Both
 * are multiples of the minimum block (`invalid`) inside the device (`out-of-range`). Closing it closes the device below, or
 * does what `closed` does in place of that, where others use it as well.
 */
export function sliceDevice(
  below: BlockDevice,
  offset: number,
  length: number,
  closed: () => Settled<void> = () => below.close(),
): BlockDevice {
  return new SliceDevice(below, offset, length, closed);
}
