import { isPromise, type BlockDevice, type Extent, type Settled, type ZeroMode } from '@ashlar/core';
import { Layer } from './layer.ts';

/** Every operation of a device that a layer can watch, slow down or fail. */
export const operationNames = [
  'read',
  'write',
  'trim',
  'zero',
  'flush',
  'extents',
  'prefetch',
  'compareAndWrite',
  'copyFrom',
  'resize',
] as const;

export type OperationName = (typeof operationNames)[number];

/** Where and how much an operation is; an operation without a range has 0 for both (`resize`: the new size as length). */
export type Operation = {
  readonly name: OperationName;
  readonly offset: number;
  readonly length: number;
  readonly durable: boolean;
};

/**
 * A layer that treats every operation alike: it gets the operation and how to run it below. For layers where an
 * allocation for each operation does not matter (delay, fault, log); those on every data path override one by one.
 */
export abstract class OperationLayer extends Layer {
  protected abstract around<T>(operation: Operation, run: () => Settled<T>): Settled<T>;

  override read(offset: number, into: Uint8Array): Settled<void> {
    return this.around({ name: 'read', offset, length: into.length, durable: false }, () =>
      this.below.read(offset, into),
    );
  }

  override write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    return this.around({ name: 'write', offset, length: from.length, durable }, () =>
      this.below.write(offset, from, durable),
    );
  }

  override trim(offset: number, length: number, durable: boolean): Settled<void> {
    return this.around({ name: 'trim', offset, length, durable }, () => this.below.trim(offset, length, durable));
  }

  override zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    return this.around({ name: 'zero', offset, length, durable }, () => this.below.zero(offset, length, mode, durable));
  }

  override flush(): Settled<void> {
    return this.around({ name: 'flush', offset: 0, length: 0, durable: true }, () => this.below.flush());
  }

  override extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    return this.around({ name: 'extents', offset, length, durable: false }, () =>
      this.below.extents(offset, length, limit),
    );
  }

  override prefetch(offset: number, length: number): Settled<void> {
    return this.around({ name: 'prefetch', offset, length, durable: false }, () => this.below.prefetch(offset, length));
  }

  override compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    return this.around({ name: 'compareAndWrite', offset, length: from.length, durable }, () =>
      this.below.compareAndWrite(offset, expected, from, durable),
    );
  }

  override copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    return this.around({ name: 'copyFrom', offset, length, durable: false }, () =>
      this.below.copyFrom(source, sourceOffset, offset, length),
    );
  }

  override resize(sizeBytes: number): Settled<void> {
    return this.around({ name: 'resize', offset: 0, length: sizeBytes, durable: false }, () =>
      this.below.resize(sizeBytes),
    );
  }
}

/** Runs `run` and tells how it ended before its caller hears of it; stays synchronous where `run` is. */
export function watch<T>(run: () => Settled<T>, ended: (error: unknown) => void): Settled<T> {
  let result: Settled<T>;
  try {
    result = run();
  } catch (error) {
    ended(error);
    throw error;
  }
  if (!isPromise(result)) {
    ended(undefined);
    return result;
  }
  return result.then(
    (value) => {
      ended(undefined);
      return value;
    },
    (error: unknown) => {
      ended(error);
      throw error;
    },
  );
}
