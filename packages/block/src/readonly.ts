import type {
  BlockBitmaps,
  BlockCapabilities,
  BlockDevice,
  BlockHistory,
  BlockSizes,
  Extent,
  Settled,
} from '@ashlar/core';
import { readOnlyError } from './check.ts';

/** What a block device does that changes nothing. */
export type BlockReads = Pick<
  BlockDevice,
  'sizeBytes' | 'blockSizes' | 'history' | 'bitmaps' | 'read' | 'extents' | 'prefetch' | 'flush' | 'close'
> & { readonly capabilities: Pick<BlockCapabilities, 'flush' | 'extents' | 'prefetch' | 'multiConnection'> };

class ReadOnlyDevice implements BlockDevice {
  readonly readOnly = true;
  readonly #below: BlockReads;

  constructor(below: BlockReads) {
    this.#below = below;
  }

  get sizeBytes(): number {
    return this.#below.sizeBytes;
  }

  get blockSizes(): BlockSizes {
    return this.#below.blockSizes;
  }

  get capabilities(): BlockCapabilities {
    return {
      ...this.#below.capabilities,
      durable: 'none',
      trim: 'none',
      zero: 'none',
      fastZero: 'none',
      compareAndWrite: 'none',
      copyFrom: 'none',
      resize: 'none',
    };
  }

  get history(): BlockHistory | undefined {
    return this.#below.history;
  }

  get bitmaps(): BlockBitmaps | undefined {
    return this.#below.bitmaps;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    return this.#below.read(offset, into);
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    return this.#below.extents(offset, length, limit);
  }

  prefetch(offset: number, length: number): Settled<void> {
    return this.#below.prefetch(offset, length);
  }

  flush(): Settled<void> {
    return this.#below.flush();
  }

  close(): Settled<void> {
    return this.#below.close();
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

  compareAndWrite(): void {
    throw readOnlyError('compareAndWrite');
  }

  copyFrom(): void {
    throw readOnlyError('copyFrom');
  }

  resize(): void {
    throw readOnlyError('resize');
  }
}

/** Refuses whatever would change the contents, as `read-only`. Closing it closes the device below. */
export function readOnlyDevice(below: BlockReads): BlockDevice {
  return new ReadOnlyDevice(below);
}
