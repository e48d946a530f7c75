import type { BlockReads } from '@ashlar/block';
import type { BlockBitmaps, Settled } from '@ashlar/core';
import type { ClusterReader } from './cluster-reader.ts';
import { ImageReads } from './image-reads.ts';

/** A qcow2 image, or one of its snapshots, as it is: what it has nothing of is read from its backing file. */
export class ReadDevice extends ImageReads implements BlockReads {
  readonly capabilities = {
    flush: 'native',
    extents: 'native',
    prefetch: 'emulated',
    multiConnection: 'native',
  } as const;
  readonly bitmaps: BlockBitmaps | undefined;
  readonly #ended: () => Settled<void>;

  /** `ended`: closes what is open, when nothing is in flight any more. */
  constructor(
    reader: ClusterReader,
    sizeBytes: number,
    preferredBytes: number,
    ended: () => Settled<void>,
    bitmaps: BlockBitmaps | undefined,
  ) {
    super(reader, sizeBytes, { minimum: 1, preferred: preferredBytes });
    this.#ended = ended;
    this.bitmaps = bitmaps;
  }

  flush(): void {
    this.checkOpen('flush');
  }

  close(): Settled<void> {
    return this.end(this.#ended);
  }
}
