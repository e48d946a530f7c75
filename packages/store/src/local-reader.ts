import type { Depth, Extent, ObjectId, Settled } from '@ashlar/core';
import { depthsOf, extentsOf } from './extents.ts';
import { prefetchObject } from './prefetch.ts';
import { floorsOf } from './snapshots.ts';
import type { PoolParts, Readable, StoreState } from './state.ts';
import { checkRange } from './write.ts';

/** What a store and a snapshot of it answer alike, each for its state of an object. */
export abstract class LocalReader<T extends Readable> {
  protected readonly pool: PoolParts;
  protected readonly store: StoreState;

  constructor(pool: PoolParts, store: StoreState) {
    this.pool = pool;
    this.store = store;
  }

  abstract read(object: ObjectId, offset: number, into: Uint8Array): Settled<void>;

  /** Throws `not-found`, or `closed`. */
  protected abstract find(object: ObjectId): T;

  sizeOf(object: ObjectId): number {
    return this.find(object).sizeBytes;
  }

  extents(object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    const found = this.find(object);
    checkRange(found, 'extents', offset, length);
    return length === 0 ? [] : extentsOf(this.pool, found, offset, length, limit);
  }

  depths(object: ObjectId, offset: number, length: number, limit: number): Settled<readonly Depth[]> {
    const found = this.find(object);
    checkRange(found, 'depths', offset, length);
    return length === 0 ? [] : depthsOf(this.pool, found, floorsOf(this.pool, this.store), offset, length, limit);
  }

  prefetch(object: ObjectId, offset: number, length: number): Settled<void> {
    const found = this.find(object);
    checkRange(found, 'prefetch', offset, length);
    if (length === 0) return undefined;
    return prefetchObject(this.pool, found, offset, length, (at, into) => this.read(object, at, into));
  }
}
