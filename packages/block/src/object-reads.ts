import type { BlockHistory, BlockSizes, Extent, ObjectId, ObjectReader, Settled } from '@ashlar/core';
import { checkLimit, checkRange, closedError } from './check.ts';
import { InFlight } from './in-flight.ts';

/** The store merges what is not made of whole blocks. */
const blockSizes: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024, atomic: 4096 };

/** What a block device over one object does that changes nothing: of a volume as it is, or as a snapshot has it. */
export abstract class ObjectReads<R extends ObjectReader> {
  readonly blockSizes = blockSizes;
  abstract readonly sizeBytes: number;
  protected readonly objects: R;
  protected readonly object: ObjectId;
  protected readonly inFlight = new InFlight();
  protected closed = false;

  constructor(objects: R, object: ObjectId) {
    this.objects = objects;
    this.object = object;
  }

  get history(): BlockHistory {
    return {
      changesSince: (snapshot, offset, length, limit) => {
        this.check('changesSince', offset, length);
        checkLimit(limit);
        return this.inFlight.track(this.objects.changesSince(this.object, snapshot, offset, length, limit));
      },
      depths: (offset, length, limit) => {
        this.check('depths', offset, length);
        checkLimit(limit);
        return this.inFlight.track(this.objects.depths(this.object, offset, length, limit));
      },
    };
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.check('read', offset, into.length);
    return this.inFlight.track(this.objects.read(this.object, offset, into));
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.check('extents', offset, length);
    checkLimit(limit);
    return this.inFlight.track(this.objects.extents(this.object, offset, length, limit));
  }

  prefetch(offset: number, length: number): Settled<void> {
    this.check('prefetch', offset, length);
    return this.inFlight.track(this.objects.prefetch(this.object, offset, length));
  }

  protected check(operation: string, offset: number, length: number): void {
    if (this.closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }
}
