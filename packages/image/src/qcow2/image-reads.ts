import { checkLimit, OpenDevice } from '@ashlar/block';
import { MiB, type BlockSizes, type Extent, type Settled } from '@ashlar/core';
import type { ClusterReader } from './cluster-reader.ts';

/** What a block device over a qcow2 image does that changes nothing. */
export abstract class ImageReads extends OpenDevice {
  readonly blockSizes: BlockSizes;
  protected readonly reader: ClusterReader;
  /** Of the disk that the image shows. */
  protected size: number;

  constructor(reader: ClusterReader, sizeBytes: number, blocks: Pick<BlockSizes, 'minimum' | 'preferred'>) {
    super();
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
}
