import {
  type BlockCapabilities,
  type BlockDevice,
  type BlockHistory,
  type BlockSizes,
  type Extent,
  type ObjectId,
  type ObjectStore,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { checkLimit, checkRange, checkSize, closedError, unsupportedError } from './check.ts';
import { emulate } from './emulate.ts';
import { InFlight } from './in-flight.ts';

const capabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'native',
  trim: 'native',
  zero: 'native',
  fastZero: 'native',
  extents: 'native',
  prefetch: 'native',
  compareAndWrite: 'none',
  copyFrom: 'none',
  resize: 'native',
  multiConnection: 'native',
};

const blockSizes: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024, atomic: 4096 };

class ObjectDevice implements BlockDevice {
  readonly blockSizes = blockSizes;
  readonly capabilities = capabilities;
  readonly readOnly = false;
  readonly #store: ObjectStore;
  readonly #object: ObjectId;
  readonly #inFlight = new InFlight();
  #closed = false;

  constructor(store: ObjectStore, object: ObjectId) {
    this.#store = store;
    this.#object = object;
  }

  get history(): BlockHistory {
    return {
      changesSince: (snapshot, offset, length, limit) => {
        this.#check('changesSince', offset, length);
        checkLimit(limit);
        return this.#inFlight.track(this.#store.changesSince(this.#object, snapshot, offset, length, limit));
      },
      depths: (offset, length, limit) => {
        this.#check('depths', offset, length);
        checkLimit(limit);
        return this.#inFlight.track(this.#store.depths(this.#object, offset, length, limit));
      },
    };
  }

  get sizeBytes(): number {
    return this.#store.sizeOf(this.#object);
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.#check('read', offset, into.length);
    return this.#inFlight.track(this.#store.read(this.#object, offset, into));
  }

  write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    this.#check('write', offset, from.length);
    return this.#inFlight.track(this.#store.write(this.#object, offset, from, durable));
  }

  trim(offset: number, length: number, durable: boolean): Settled<void> {
    this.#check('trim', offset, length);
    return this.#inFlight.track(this.#store.trim(this.#object, offset, length, durable));
  }

  zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    this.#check('zero', offset, length);
    return this.#inFlight.track(this.#store.zero(this.#object, offset, length, mode === 'keep-allocated', durable));
  }

  flush(): Settled<void> {
    if (this.#closed) throw closedError('flush');
    return this.#inFlight.track(this.#store.sync());
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.#check('extents', offset, length);
    checkLimit(limit);
    return this.#inFlight.track(this.#store.extents(this.#object, offset, length, limit));
  }

  prefetch(offset: number, length: number): Settled<void> {
    this.#check('prefetch', offset, length);
    return this.#inFlight.track(this.#store.prefetch(this.#object, offset, length));
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  resize(sizeBytes: number): Settled<void> {
    if (this.#closed) throw closedError('resize');
    checkSize(this, sizeBytes);
    return this.#inFlight.track(this.#store.truncate(this.#object, sizeBytes));
  }

  close(): Settled<void> {
    this.#closed = true;
    return this.#inFlight.idle();
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }
}

/**
 * One object of a store as a block device: blocks of any size (the store merges), native trim, zero and extents;
 * compareAndWrite and copyFrom under a range lock. Closing it leaves the store open.
 */
export function createObjectDevice(store: ObjectStore, object: ObjectId): BlockDevice {
  return emulate(new ObjectDevice(store, object));
}
