import type {
  BlockCapabilities,
  BlockDevice,
  BlockHistory,
  BlockSizes,
  Extent,
  ObjectId,
  Settled,
  SnapshotView,
} from '@ashlar/core';
import { checkLimit, checkRange, closedError, readOnlyError } from './check.ts';
import { InFlight } from './in-flight.ts';

const capabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'none',
  trim: 'none',
  zero: 'none',
  fastZero: 'none',
  extents: 'native',
  prefetch: 'native',
  compareAndWrite: 'none',
  copyFrom: 'none',
  resize: 'none',
  multiConnection: 'native',
};

const blockSizes: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024, atomic: 4096 };

class SnapshotDevice implements BlockDevice {
  readonly blockSizes = blockSizes;
  readonly capabilities = capabilities;
  readonly readOnly = true;
  readonly sizeBytes: number;
  readonly #view: SnapshotView;
  readonly #object: ObjectId;
  readonly #inFlight = new InFlight();
  #closed = false;

  constructor(view: SnapshotView, object: ObjectId) {
    this.#view = view;
    this.#object = object;
    this.sizeBytes = view.sizeOf(object);
  }

  get history(): BlockHistory {
    return {
      changesSince: (snapshot, offset, length, limit) => {
        this.#check('changesSince', offset, length);
        checkLimit(limit);
        return this.#inFlight.track(this.#view.changesSince(this.#object, snapshot, offset, length, limit));
      },
      depths: (offset, length, limit) => {
        this.#check('depths', offset, length);
        checkLimit(limit);
        return this.#inFlight.track(this.#view.depths(this.#object, offset, length, limit));
      },
    };
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.#check('read', offset, into.length);
    return this.#inFlight.track(this.#view.read(this.#object, offset, into));
  }

  write(): void {
    throw readOnlyError('write');
  }

  trim(): void {
    throw readOnlyError('trim');
  }

  zero(): void {
    throw readOnlyError('zero');
  }

  /** All of it was durable when the snapshot was. */
  flush(): void {
    if (this.#closed) throw closedError('flush');
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.#check('extents', offset, length);
    checkLimit(limit);
    return this.#inFlight.track(this.#view.extents(this.#object, offset, length, limit));
  }

  prefetch(offset: number, length: number): Settled<void> {
    this.#check('prefetch', offset, length);
    return this.#inFlight.track(this.#view.prefetch(this.#object, offset, length));
  }

  compareAndWrite(): void {
    throw readOnlyError('compareAndWrite');
  }

  copyFrom(): void {
    throw readOnlyError('copyFrom');
  }

  resize(): void {
    throw readOnlyError('resize');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#inFlight.idle();
    this.#view.close();
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }
}

/** One object of an open snapshot as a block device that is only read. Closing it closes the view. Throws `not-found`. */
export function createSnapshotDevice(view: SnapshotView, object: ObjectId): BlockDevice {
  return new SnapshotDevice(view, object);
}
