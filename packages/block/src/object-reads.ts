import type { BlockHistory, BlockSizes, Extent, ObjectId, ObjectReader, Settled } from '@ashlar/core';
import { checkLimit } from './check.ts';
import { OpenDevice } from './open-device.ts';

/** The store merges what is not made of whole blocks. */
const blockSizes: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024, atomic: 4096 };

/** What a block device over one object does that changes nothing: of a volume as it is, or as a snapshot has it. */
export abstract class ObjectReads<R extends ObjectReader> extends OpenDevice {
  readonly blockSizes = blockSizes;
  protected readonly objects: R;
  protected readonly object: ObjectId;

  constructor(objects: R, object: ObjectId) {
    super();
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
}
