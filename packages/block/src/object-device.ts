import {
  type BlockCapabilities,
  type BlockDevice,
  type ObjectId,
  type ObjectStore,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { checkSize, unsupportedError } from './check.ts';
import { emulate } from './emulate.ts';
import { ObjectReads } from './object-reads.ts';

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

class ObjectDevice extends ObjectReads<ObjectStore> implements BlockDevice {
  readonly capabilities = capabilities;
  readonly readOnly = false;

  get sizeBytes(): number {
    return this.objects.sizeOf(this.object);
  }

  write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    this.check('write', offset, from.length);
    return this.inFlight.track(this.objects.write(this.object, offset, from, durable));
  }

  trim(offset: number, length: number, durable: boolean): Settled<void> {
    this.check('trim', offset, length);
    return this.inFlight.track(this.objects.trim(this.object, offset, length, durable));
  }

  zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    this.check('zero', offset, length);
    return this.inFlight.track(this.objects.zero(this.object, offset, length, mode === 'keep-allocated', durable));
  }

  flush(): Settled<void> {
    this.checkOpen('flush');
    return this.inFlight.track(this.objects.sync());
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  resize(sizeBytes: number): Settled<void> {
    this.checkOpen('resize');
    checkSize(this, sizeBytes);
    return this.inFlight.track(this.objects.truncate(this.object, sizeBytes));
  }

  close(): Settled<void> {
    this.closed = true;
    return this.inFlight.idle();
  }
}

/**
 * One object of a store as a block device: blocks of any size (the store merges), native trim, zero and extents;
 * compareAndWrite and copyFrom under a range lock. Closing it leaves the store open.
 */
export function createObjectDevice(store: ObjectStore, object: ObjectId): BlockDevice {
  return emulate(new ObjectDevice(store, object));
}
