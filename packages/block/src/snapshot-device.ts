import type { BlockCapabilities, BlockDevice, ObjectId, SnapshotView } from '@ashlar/core';
import { closedError, readOnlyError } from './check.ts';
import { ObjectReads } from './object-reads.ts';

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

class SnapshotDevice extends ObjectReads<SnapshotView> implements BlockDevice {
  readonly capabilities = capabilities;
  readonly readOnly = true;
  readonly sizeBytes: number;

  constructor(view: SnapshotView, object: ObjectId) {
    super(view, object);
    this.sizeBytes = view.sizeOf(object);
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
    if (this.closed) throw closedError('flush');
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
    if (this.closed) return;
    this.closed = true;
    await this.inFlight.idle();
    this.objects.close();
  }
}

/** One object of an open snapshot as a block device that is only read. Closing it closes the view. Throws `not-found`. */
export function createSnapshotDevice(view: SnapshotView, object: ObjectId): BlockDevice {
  return new SnapshotDevice(view, object);
}
