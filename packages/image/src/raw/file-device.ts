import { checkLimit, checkSize, emulate, OpenDevice, readOnlyDevice, unsupportedError } from '@ashlar/block';
import {
  AshlarError,
  isPromise,
  KiB,
  MiB,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import type { HostFile } from '@ashlar/host';

export type FileDeviceOptions = {
  readonly readOnly: boolean;
};

/** As much as a system takes at once, and as much as one request brings: the store does the same. */
const aheadBytes = 128 * KiB;
const mostAhead = 64 * MiB;

function sizesOf(file: HostFile): BlockSizes {
  return {
    minimum: Math.max(file.alignment, file.isDevice ? file.sectorBytes : 1),
    preferred: 4096,
    maximum: 32 * 1024 * 1024,
    // What a disk writes whole: a file promises no more than its disk does.
    atomic: Math.max(file.alignment, file.sectorBytes),
  };
}

function capabilitiesOf(file: HostFile): BlockCapabilities {
  return {
    flush: 'native',
    durable: 'none',
    // A device that takes no room back would be written over with zeros.
    trim: file.discards ? 'native' : 'none',
    zero: 'native',
    fastZero: file.isDevice ? 'none' : 'native',
    extents: file.isDevice ? 'none' : 'native',
    prefetch: 'native',
    compareAndWrite: 'none',
    copyFrom: 'none',
    resize: file.isDevice ? 'none' : 'native',
    multiConnection: 'native',
  };
}

/** Tries what the file system may refuse as `unsupported`, then the other way. */
function orElse(first: () => Settled<void>, second: () => Settled<void>): Settled<void> {
  const fall = (error: unknown): Settled<void> => {
    if (error instanceof AshlarError && error.kind === 'unsupported') return second();
    throw error;
  };
  let result: Settled<void>;
  try {
    result = first();
  } catch (error) {
    return fall(error);
  }
  return isPromise(result) ? result.catch(fall) : result;
}

class FileDevice extends OpenDevice implements BlockDevice {
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly = false;
  readonly #file: HostFile;
  #sizeBytes: number;

  constructor(file: HostFile) {
    super();
    this.#file = file;
    this.blockSizes = sizesOf(file);
    this.capabilities = capabilitiesOf(file);
    this.#sizeBytes = file.size();
    checkSize(this, this.#sizeBytes);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.check('read', offset, into.length);
    const count = this.#file.read(offset, into);
    if (!isPromise(count)) return this.#checkCount(offset, into.length, count);
    return this.inFlight.track(count.then((found) => this.#checkCount(offset, into.length, found)));
  }

  write(offset: number, from: Uint8Array, _durable: boolean): Settled<void> {
    this.check('write', offset, from.length);
    return this.inFlight.track(this.#file.write(offset, from));
  }

  trim(offset: number, length: number, _durable: boolean): Settled<void> {
    this.check('trim', offset, length);
    if (length === 0) return;
    return this.inFlight.track(this.#punch(offset, length));
  }

  zero(offset: number, length: number, mode: ZeroMode, _durable: boolean): Settled<void> {
    this.check('zero', offset, length);
    if (length === 0) return;
    if (mode === 'may-trim') return this.inFlight.track(this.#punch(offset, length));
    return this.inFlight.track(this.#file.zeroRange(offset, length));
  }

  flush(): Settled<void> {
    this.checkOpen('flush');
    return this.inFlight.track(this.#file.sync());
  }

  extents(offset: number, length: number, limit: number): readonly Extent[] {
    this.check('extents', offset, length);
    checkLimit(limit);
    return length === 0 ? [] : this.#file.extents(offset, length, limit);
  }

  prefetch(offset: number, length: number): Settled<void> {
    this.check('prefetch', offset, length);
    if (length === 0) return;
    return this.inFlight.track(this.#readAhead(offset, Math.min(length, mostAhead)));
  }

  async #readAhead(offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += aheadBytes) {
      await this.#file.willNeed(offset + at, Math.min(aheadBytes, length - at));
    }
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  resize(sizeBytes: number): void {
    this.checkOpen('resize');
    if (this.#file.isDevice) throw unsupportedError('resize of a device');
    checkSize(this, sizeBytes);
    this.#file.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  close(): Settled<void> {
    return this.end(() => this.#file.close());
  }

  /** The file ends before the device does: somebody made it shorter meanwhile. */
  #checkCount(offset: number, length: number, count: number): void {
    if (count === length) return;
    throw new AshlarError(
      'io',
      `${this.#file.path} ends at ${offset + count}, before the ${this.#sizeBytes} bytes it had`,
      {
        operation: 'read',
        path: this.#file.path,
        offset: offset + count,
      },
    );
  }

  #punch(offset: number, length: number): Settled<void> {
    return orElse(
      () => this.#file.punch(offset, length),
      () => this.#file.zeroRange(offset, length),
    );
  }
}

/**
 * A raw file or a whole block device, as it is: trim punches holes, extents are the file system's, durable is a write and a
 * sync. Blocks are of 1 byte in a file, those of the device itself in one, more with direct I/O. The device owns `file` and closes it.
 */
export function createFileDevice(file: HostFile, options: FileDeviceOptions): BlockDevice {
  const device = emulate(new FileDevice(file));
  return options.readOnly ? readOnlyDevice(device) : device;
}
