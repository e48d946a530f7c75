import type {
  BlockBitmaps,
  BlockCapabilities,
  BlockDevice,
  BlockHistory,
  BlockSizes,
  Extent,
  Settled,
  ZeroMode,
} from '@ashlar/core';

/** A device in front of another one. A layer names only what it changes; everything else goes through. */
export abstract class Layer implements BlockDevice {
  protected readonly below: BlockDevice;

  constructor(below: BlockDevice) {
    this.below = below;
  }

  get sizeBytes(): number {
    return this.below.sizeBytes;
  }

  get blockSizes(): BlockSizes {
    return this.below.blockSizes;
  }

  get capabilities(): BlockCapabilities {
    return this.below.capabilities;
  }

  get readOnly(): boolean {
    return this.below.readOnly;
  }

  get history(): BlockHistory | undefined {
    return this.below.history;
  }

  get bitmaps(): BlockBitmaps | undefined {
    return this.below.bitmaps;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    return this.below.read(offset, into);
  }

  write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    return this.below.write(offset, from, durable);
  }

  trim(offset: number, length: number, durable: boolean): Settled<void> {
    return this.below.trim(offset, length, durable);
  }

  zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    return this.below.zero(offset, length, mode, durable);
  }

  flush(): Settled<void> {
    return this.below.flush();
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    return this.below.extents(offset, length, limit);
  }

  prefetch(offset: number, length: number): Settled<void> {
    return this.below.prefetch(offset, length);
  }

  compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    return this.below.compareAndWrite(offset, expected, from, durable);
  }

  copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    return this.below.copyFrom(source, sourceOffset, offset, length);
  }

  resize(sizeBytes: number): Settled<void> {
    return this.below.resize(sizeBytes);
  }

  close(): Settled<void> {
    return this.below.close();
  }
}
