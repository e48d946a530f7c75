import type { BlockDevice, ObjectId, Settled, SnapshotView } from '@ashlar/core';
import { ObjectReads } from './object-reads.ts';
import { readOnlyDevice, type BlockReads } from './readonly.ts';

class SnapshotReads extends ObjectReads<SnapshotView> implements BlockReads {
  readonly capabilities = {
    flush: 'native',
    extents: 'native',
    prefetch: 'native',
    multiConnection: 'native',
  } as const;
  readonly sizeBytes: number;

  constructor(view: SnapshotView, object: ObjectId) {
    super(view, object);
    this.sizeBytes = view.sizeOf(object);
  }

  /** All of it was durable when the snapshot was. */
  flush(): void {
    this.checkOpen('flush');
  }

  close(): Settled<void> {
    return this.end(() => this.objects.close());
  }
}

/** One object of an open snapshot as a block device that is only read. Closing it closes the view. Throws `not-found`. */
export function createSnapshotDevice(view: SnapshotView, object: ObjectId): BlockDevice {
  return readOnlyDevice(new SnapshotReads(view, object));
}
