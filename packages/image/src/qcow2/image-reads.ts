import { checkLimit, checkRange, closedError, InFlight } from '@ashlar/block';
import { MiB, type BlockSizes, type Extent, type Settled } from '@ashlar/core';
import type { ClusterReader } from './cluster-reader.ts';

/** What a block device over a qcow2 image does that changes nothing. */
export abstract class ImageReads {
  readonly blockSizes: BlockSizes;
  protected readonly reader: ClusterReader;
  protected readonly inFlight = new InFlight();
  protected closed = false;
  /** Of the disk that the image shows. */
  protected size: number;

  constructor(reader: ClusterReader, sizeBytes: number, blocks: Pick<BlockSizes, 'minimum' | 'preferred'>) {
    this.reader = reader;
    this.size = sizeBytes;
    this.blockSizes = { ...blocks, maximum: 32 * MiB, atomic: 512 };
  }

  get sizeBytes(): number {
    return this.size;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.check('read', offset, into.length);
    return this.inFlight.track(this.reader.read(offset, into));
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.check('extents', offset, length);
    checkLimit(limit);
    return this.inFlight.track(this.reader.extents(offset, length, limit));
  }

  /** Nothing comes of it. */
  prefetch(offset: number, length: number): void {
    this.check('prefetch', offset, length);
  }

  protected check(operation: string, offset: number, length: number): void {
    if (this.closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }
}
