import {
  AshlarError,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Capability,
  type Extent,
  type Settled,
} from '@ashlar/core';

/** A turn of the event loop, or a few: what is in flight together ends in another order than it began. */
export function laterTurn(turns: number): Promise<void> {
  return new Promise((resolve) => {
    const wait = (left: number): void => {
      if (left <= 0) resolve();
      else setImmediate(() => wait(left - 1));
    };
    wait(turns);
  });
}

function refused(operation: string): never {
  throw new AshlarError('unsupported', `${operation} is not something this device can do`, { operation });
}

/**
 * What another device has, cut down to reading, writing, flushing and resizing in large blocks, each settled some turns later:
 * the worst that an emulation has to put up with.
 */
export class PoorDevice implements BlockDevice {
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly = false;
  readonly #below: BlockDevice;
  #turns = 0;

  constructor(below: BlockDevice, minimumBlockBytes: number) {
    this.#below = below;
    this.blockSizes = { ...below.blockSizes, minimum: minimumBlockBytes };
    const none: Capability = 'none';
    this.capabilities = {
      flush: 'native',
      durable: none,
      trim: none,
      zero: none,
      fastZero: none,
      extents: none,
      prefetch: none,
      compareAndWrite: none,
      copyFrom: none,
      resize: 'native',
      multiConnection: none,
    };
  }

  get sizeBytes(): number {
    return this.#below.sizeBytes;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.#check(offset, into.length);
    return this.#later(() => this.#below.read(offset, into));
  }

  write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    this.#check(offset, from.length);
    if (durable) refused('a durable write');
    return this.#later(() => this.#below.write(offset, from, false));
  }

  trim(): void {
    refused('trim');
  }

  zero(): void {
    refused('zero');
  }

  flush(): Settled<void> {
    return this.#later(() => this.#below.flush());
  }

  extents(): readonly Extent[] {
    refused('extents');
  }

  prefetch(): void {
    refused('prefetch');
  }

  compareAndWrite(): void {
    refused('compareAndWrite');
  }

  copyFrom(): void {
    refused('copyFrom');
  }

  resize(sizeBytes: number): Settled<void> {
    return this.#later(() => this.#below.resize(sizeBytes));
  }

  close(): Settled<void> {
    return this.#below.close();
  }

  #check(offset: number, length: number): void {
    const unit = this.blockSizes.minimum;
    if (offset % unit === 0 && length % unit === 0) return;
    throw new AshlarError('invalid', `${length} bytes at ${offset} are not whole blocks of ${unit}`, {
      offset,
      length,
    });
  }

  async #later(run: () => Settled<void>): Promise<void> {
    this.#turns = (this.#turns + 2) % 5;
    await laterTurn(this.#turns);
    await run();
  }
}
