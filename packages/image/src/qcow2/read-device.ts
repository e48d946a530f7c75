import { checkLimit, checkRange, closedError, InFlight, unsupportedError } from '@ashlar/block';
import {
  andThen,
  MiB,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Extent,
  type Settled,
} from '@ashlar/core';
import type { ClusterReader } from './cluster-reader.ts';

type ReadDeviceParts = {
  readonly sizeBytes: number;
  readonly preferredBytes: number;
  readonly reader: ClusterReader;
  /** Ends what is open, when nothing is in flight any more. */
  readonly closed: () => Settled<void>;
};

const capabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'none',
  trim: 'none',
  zero: 'none',
  fastZero: 'none',
  extents: 'native',
  prefetch: 'none',
  compareAndWrite: 'none',
  copyFrom: 'none',
  resize: 'none',
  multiConnection: 'native',
};

/** A qcow2 image, or one of its snapshots, as it is: what it has nothing of is read from its backing file. */
export class ReadDevice implements BlockDevice {
  readonly readOnly = true;
  readonly capabilities = capabilities;
  readonly blockSizes: BlockSizes;
  readonly sizeBytes: number;
  readonly #parts: ReadDeviceParts;
  readonly #inFlight = new InFlight();
  #closed = false;

  constructor(parts: ReadDeviceParts) {
    this.#parts = parts;
    this.sizeBytes = parts.sizeBytes;
    this.blockSizes = { minimum: 1, preferred: parts.preferredBytes, maximum: 32 * MiB, atomic: 512 };
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.#check('read', offset, into.length);
    return this.#inFlight.track(this.#parts.reader.read(offset, into));
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.#check('extents', offset, length);
    checkLimit(limit);
    return this.#inFlight.track(this.#parts.reader.extents(offset, length, limit));
  }

  flush(): void {
    if (this.#closed) throw closedError('flush');
  }

  prefetch(): void {
    throw unsupportedError('prefetch');
  }

  write(): void {
    throw unsupportedError('write');
  }

  trim(): void {
    throw unsupportedError('trim');
  }

  zero(): void {
    throw unsupportedError('zero');
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  resize(): void {
    throw unsupportedError('resize');
  }

  close(): Settled<void> {
    if (this.#closed) return;
    this.#closed = true;
    return andThen(this.#inFlight.idle(), this.#parts.closed);
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }
}
