import { fdatasync, ftruncateSync, statfsSync } from 'node:fs';
import { AshlarError, alignDown, assert, maxOffset, type Extent, type Settled } from '@ashlar/core';
import { errno } from '../ffi/errno.ts';
import { hasLockOfOther, lockRangeShared } from '../ffi/fcntl.ts';
import { copyRangeOnPool } from '../ffi/copy-file-range.ts';
import { fallocateMode, fallocateOnPool } from '../ffi/fallocate.ts';
import { lockDescription } from '../ffi/flock.ts';
import { IoVector, maximumParts } from '../ffi/iovec.ts';
import { seekEnd } from '../ffi/lseek.ts';
import { addressOf, allocateAligned } from '../ffi/memory.ts';
import { dropPages, readAheadOnPool, startWritebackOnPool } from '../ffi/page-cache.ts';
import { readCached, readOnPool, readWaiting } from '../ffi/pread.ts';
import { writeAt, writeOnPool, writeVector, writeVectorOnPool } from '../ffi/pwrite.ts';
import type { HostFile } from '../host.ts';
import type { DeviceFacts } from './block-device.ts';
import { Descriptor } from './descriptor.ts';
import { hasDirectQueue, readDirect, writeDirect, writePartsDirect } from './direct-queue.ts';
import { fromNode, systemError } from './errors.ts';
import { holeMap } from './hole-map.ts';
import { PartWalk } from './parts.ts';

/** What offsets, lengths and memory of O_DIRECT are multiples of: right for every device up to 4 KiB sectors. */
export const directAlignment = 4096;

/** statfs's number of a file system that is memory: reading from it never waits for a disk. */
const TMPFS_MAGIC = 0x01021994;

const zeroPieceBytes = 1 << 20;
const sharedVector = new IoVector(maximumParts);

type RealFileOptions = {
  readonly path: string;
  readonly descriptor: number;
  /** Of a block device. */
  readonly device: DeviceFacts | undefined;
  readonly readOnly: boolean;
  readonly direct: boolean;
};

const fileFacts: DeviceFacts = { sectorBytes: 512, discards: true };

/** What a file does whose file system cannot say what the page cache has. Its name may be gone: it is asked by its descriptor. */
function withoutCacheReads(descriptor: number): 'all' | 'none' {
  return statfsSync(`/proc/self/fd/${descriptor}`).type === TMPFS_MAGIC ? 'all' : 'none';
}

/** A file or block device by positioned system calls. */
export class RealFile implements HostFile {
  readonly path: string;
  readonly isDevice: boolean;
  readonly sectorBytes: number;
  readonly discards: boolean;
  readonly alignment: number;
  readonly #descriptor: Descriptor;
  readonly #readOnly: boolean;
  /** Which reads settle at once: those the page cache has, all (memory is below), or none. */
  #atOnce: 'cached' | 'all' | 'none';

  constructor({ path, descriptor, device, readOnly, direct }: RealFileOptions) {
    this.path = path;
    this.isDevice = device !== undefined;
    ({ sectorBytes: this.sectorBytes, discards: this.discards } = device ?? fileFacts);
    this.alignment = direct ? directAlignment : 1;
    this.#descriptor = new Descriptor(descriptor, path);
    this.#readOnly = readOnly;
    this.#atOnce = direct ? 'none' : 'cached';
  }

  accepts(memory: Uint8Array): boolean {
    return this.alignment === 1 || ((memory.byteLength | addressOf(memory)) & (this.alignment - 1)) === 0;
  }

  size(): number {
    const size = seekEnd(this.#descriptor.number);
    if (size < 0) throw this.#error(-size, 'measure');
    return size;
  }

  read(offset: number, into: Uint8Array): Settled<number> {
    const { number } = this.#descriptor;
    this.#checkMemory('read', offset, into);
    let done = 0;
    while (this.#atOnce === 'cached' && done < into.byteLength) {
      const count = readCached(number, into, done, offset + done);
      if (count === 0) return done;
      if (count > 0) done += count;
      else if (count === -errno.EOPNOTSUPP) this.#atOnce = withoutCacheReads(number);
      else if (count === -errno.EAGAIN) break;
      else if (count !== -errno.EINTR) throw this.#error(-count, 'read', offset, into.byteLength);
    }
    if (done === into.byteLength) return done;
    if (this.#atOnce === 'all') return this.readSync(offset, into);
    if (this.#isQueued) return this.#readQueued(offset, into);
    return this.#descriptor.hold((held) => this.#readRest(held, offset, into, done));
  }

  #readQueued(offset: number, into: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      const number = this.#descriptor.take();
      readDirect(number, into, 0, offset, (count) => {
        if (count === into.byteLength) {
          this.#descriptor.release();
          resolve(count);
        } else this.#readRest(number, offset, into, 0, count).finally(this.#descriptor.release).then(resolve, reject);
      });
    });
  }

  /** Reads what is left behind `from`; `first` is what a call for it has given already. */
  async #readRest(number: number, offset: number, into: Uint8Array, from: number, first?: number): Promise<number> {
    let done = from;
    let given = first;
    while (done < into.byteLength) {
      const count = given ?? (await readOnPool(number, into, done, offset + done));
      given = undefined;
      if (count < 0 && count !== -errno.EINTR) throw this.#error(-count, 'read', offset, into.byteLength);
      // A direct read that stops inside a block met the end of the file.
      if (count === 0 || count % this.alignment !== 0) return done + Math.max(count, 0);
      if (count > 0) done += count;
    }
    return done;
  }

  readSync(offset: number, into: Uint8Array): number {
    const { number } = this.#descriptor;
    this.#checkMemory('read', offset, into);
    let done = 0;
    while (done < into.byteLength) {
      const count = readWaiting(number, into, done, offset + done);
      if (count < 0 && count !== -errno.EINTR) throw this.#error(-count, 'read', offset, into.byteLength);
      if (count === 0 || count % this.alignment !== 0) return done + Math.max(count, 0);
      if (count > 0) done += count;
    }
    return done;
  }

  write(offset: number, from: Uint8Array): Settled<void> {
    const { number } = this.#descriptor;
    this.#checkWritable('write', offset, from.byteLength);
    this.#checkMemory('write', offset, from);
    if (this.alignment > 1) return this.#writeOff(offset, from);
    let done = 0;
    while (done < from.byteLength) done += this.#taken(writeAt(number, from, done, offset + done), offset, from);
  }

  writeOffThread(offset: number, from: Uint8Array): Promise<void> {
    this.#checkWritable('write', offset, from.byteLength);
    this.#checkMemory('write', offset, from);
    return this.#writeOff(offset, from);
  }

  /** Off the thread: by the queue where the file has one, else on the thread pool. */
  #writeOff(offset: number, from: Uint8Array): Promise<void> {
    if (this.#isQueued) return this.#writeQueued(offset, from);
    return this.#descriptor.hold((held) => this.#writeLater(held, offset, from, 0));
  }

  #writeQueued(offset: number, from: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const number = this.#descriptor.take();
      writeDirect(number, from, 0, offset, (count) => {
        if (count === from.byteLength) {
          this.#descriptor.release();
          resolve();
        } else this.#writeLater(number, offset, from, count).finally(this.#descriptor.release).then(resolve, reject);
      });
    });
  }

  /** Writes what is left after a call gave `first`: the bytes that it took, or minus errno. */
  async #writeLater(number: number, offset: number, from: Uint8Array, first: number): Promise<void> {
    let done = this.#taken(first, offset, from);
    while (done < from.byteLength) {
      done += this.#taken(await writeOnPool(number, from, done, offset + done), offset, from);
    }
  }

  /** The bytes that a call took; throws where it failed. */
  #taken(count: number, offset: number, { byteLength }: { readonly byteLength: number }): number {
    if (count === -errno.EINTR) return 0;
    if (count < 0) throw this.#error(-count, 'write', offset, byteLength);
    return count;
  }

  writeMany(offset: number, parts: readonly Uint8Array[]): Settled<void> {
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return this.write(offset, only);
    const { number } = this.#descriptor;
    const walk = new PartWalk(parts);
    this.#checkWritable('write', offset, walk.left);
    for (const part of parts) this.#checkMemory('write', offset, part);
    const byteLength = walk.left;
    if (this.#isQueued && parts.length <= maximumParts) return this.#writeManyQueued(offset, parts, walk);
    if (this.alignment > 1) return this.#descriptor.hold((held) => this.#writeManyLater(held, offset, parts, walk, 0));
    while (walk.left > 0) {
      walk.fill(sharedVector);
      const count = writeVector(number, sharedVector, offset + byteLength - walk.left);
      walk.take(this.#taken(count, offset, { byteLength }));
    }
  }

  #writeManyQueued(offset: number, parts: readonly Uint8Array[], walk: PartWalk): Promise<void> {
    return new Promise((resolve, reject) => {
      const number = this.#descriptor.take();
      writePartsDirect(number, parts, offset, (count) => {
        if (count === walk.left) {
          this.#descriptor.release();
          resolve();
        } else {
          const rest = this.#writeManyLater(number, offset, parts, walk, count);
          rest.finally(this.#descriptor.release).then(resolve, reject);
        }
      });
    });
  }

  /** As `#writeLater`. */
  async #writeManyLater(
    number: number,
    offset: number,
    parts: readonly Uint8Array[],
    walk: PartWalk,
    first: number,
  ): Promise<void> {
    const byteLength = walk.left;
    walk.take(this.#taken(first, offset, { byteLength }));
    const vector = walk.vectorForOne();
    while (walk.left > 0) {
      walk.fill(vector);
      const count = await writeVectorOnPool(number, vector, parts, offset + byteLength - walk.left);
      walk.take(this.#taken(count, offset, { byteLength }));
    }
  }

  copyFrom(source: HostFile, from: number, offset: number, length: number): Promise<number> {
    this.#checkWritable('copy to', offset, length);
    assert(source instanceof RealFile, 'both are files of this host');
    source.#checkRange('copy from', from, length);
    return source.#descriptor.hold((read) =>
      this.#descriptor.hold(async (written) => {
        let done = 0;
        while (done < length) {
          const places = [
            { descriptor: read, offset: from + done },
            { descriptor: written, offset: offset + done },
          ] as const;
          const count = await copyRangeOnPool(...places, length - done);
          if (count === 0) break;
          if (count < 0 && count !== -errno.EINTR) throw this.#copyError(-count, offset, length);
          done += Math.max(0, count);
        }
        return done;
      }),
    );
  }

  #copyError(number: number, offset: number, length: number): AshlarError {
    // Other file systems, files of other kinds, ranges of one file that overlap.
    const isRefused = number === errno.EXDEV || number === errno.EINVAL;
    return this.#error(isRefused ? errno.EOPNOTSUPP : number, 'copy to', offset, length);
  }

  sync(): Promise<void> {
    return this.#descriptor.hold(
      (number) =>
        new Promise((resolve, reject) => {
          fdatasync(number, (error) => {
            if (error === null) resolve();
            else reject(fromNode(error, 'sync', this.path));
          });
        }),
    );
  }

  startWriteback(offset: number, length: number): void {
    this.#checkRange('write back', offset, length);
    assert(this.#descriptor.number >= 0, 'the file is open');
    // A hint: what fails here is told by the next sync.
    void this.#descriptor.hold((number) => startWritebackOnPool(number, offset, length));
  }

  allocate(offset: number, length: number): Settled<void> {
    this.#checkWritable('allocate', offset, length);
    if (length === 0 || this.isDevice) return;
    return this.#descriptor.hold(async (number) => {
      const result = await this.#fallocate(number, fallocateMode.reserve, offset, length);
      if (result < 0) throw this.#error(-result, 'allocate', offset, length);
    });
  }

  punch(offset: number, length: number): Settled<void> {
    this.#checkWritable('punch', offset, length);
    if (length === 0) return;
    return this.#descriptor.hold(async (number) => {
      const result = await this.#fallocate(number, fallocateMode.punch, offset, length);
      // It must read as zeros also where no room can be given back.
      if (result === -errno.EOPNOTSUPP) await this.#makeZero(number, offset, length);
      else if (result < 0) throw this.#error(-result, 'punch', offset, length);
    });
  }

  zeroRange(offset: number, length: number): Settled<void> {
    this.#checkWritable('zero', offset, length);
    if (length === 0) return;
    return this.#descriptor.hold((number) => this.#makeZero(number, offset, length));
  }

  async #makeZero(number: number, offset: number, length: number): Promise<void> {
    const result = await this.#fallocate(number, fallocateMode.zero, offset, length);
    if (result === -errno.EOPNOTSUPP) await this.#writeZeros(number, offset, length);
    else if (result < 0) throw this.#error(-result, 'zero', offset, length);
  }

  async #writeZeros(number: number, offset: number, length: number): Promise<void> {
    const end = Math.min(offset + length, this.size());
    if (offset >= end) return;
    const zeros = allocateAligned(Math.min(zeroPieceBytes, end - offset), directAlignment);
    for (let at = offset; at < end; at += zeros.byteLength) {
      await this.#writeLater(number, at, zeros.subarray(0, Math.min(zeros.byteLength, end - at)), 0);
    }
  }

  async #fallocate(number: number, mode: number, offset: number, length: number): Promise<number> {
    let result: number;
    do result = await fallocateOnPool(number, mode, offset, length);
    while (result === -errno.EINTR);
    return result;
  }

  extents(offset: number, length: number, limit: number): readonly Extent[] {
    this.#checkRange('map', offset, length);
    const { number } = this.#descriptor;
    if (length === 0) return [];
    if (this.isDevice) return [{ offset, length, state: 'data' }];
    const extents = holeMap(number, offset, offset + length, limit);
    if (typeof extents === 'number') throw this.#error(-extents, 'map', offset, length);
    return extents;
  }

  truncate(sizeBytes: number): void {
    this.#checkWritable('truncate', sizeBytes, 0);
    if (this.isDevice) throw new AshlarError('unsupported', `${this.path} is a device: its size stays`);
    try {
      ftruncateSync(this.#descriptor.number, sizeBytes);
    } catch (error) {
      throw fromNode(error, 'truncate', this.path);
    }
  }

  tryLock(exclusive: boolean): boolean {
    const result = lockDescription(this.#descriptor.number, exclusive);
    if (result === -errno.EAGAIN) return false;
    if (result < 0) throw this.#error(-result, 'lock');
    return true;
  }

  lockRange(offset: number, length: number): boolean {
    this.#checkRange('lock', offset, length);
    const result = lockRangeShared(this.#descriptor.number, offset, length);
    if (result === -errno.EAGAIN || result === -errno.EACCES) return false;
    if (result < 0) throw this.#error(-result, 'lock', offset, length);
    return true;
  }

  isRangeLocked(offset: number, length: number): boolean {
    this.#checkRange('look for locks of', offset, length);
    const result = hasLockOfOther(this.#descriptor.number, offset, length);
    if (result < 0) throw this.#error(-result, 'look for locks of', offset, length);
    return result === 1;
  }

  async willNeed(offset: number, length: number): Promise<void> {
    this.#checkRange('read ahead', offset, length);
    // A hint: what fails here is told by the read.
    await this.#descriptor.hold((number) => readAheadOnPool(number, offset, length));
  }

  dropCache(offset: number, length: number): void {
    this.#checkRange('drop', offset, length);
    dropPages(this.#descriptor.number, offset, length);
  }

  close(): void {
    this.#descriptor.close();
  }

  /** Transfers wait at the device and not on a thread of the pool. */
  get #isQueued(): boolean {
    return this.alignment > 1 && hasDirectQueue();
  }

  #checkRange(operation: string, offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= maxOffset) return;
    throw new AshlarError('out-of-range', `cannot ${operation} ${this.path} at ${offset}: no file reaches there`, {
      operation,
      path: this.path,
      offset,
      length,
    });
  }

  #checkWritable(operation: string, offset: number, length: number): void {
    this.#checkRange(operation, offset, length);
    const context = { operation, path: this.path, offset, length };
    if (this.#readOnly) {
      throw new AshlarError('read-only', `cannot ${operation} ${this.path}: it was opened for reading`, context);
    }
    if (this.isDevice && offset + length > this.size()) {
      throw new AshlarError('out-of-range', `cannot ${operation} ${this.path}: it ends at ${this.size()}`, context);
    }
  }

  #checkMemory(operation: string, offset: number, bytes: Uint8Array): void {
    this.#checkRange(operation, offset, bytes.byteLength);
    if (this.alignment === 1) return;
    assert(alignDown(offset, this.alignment) === offset, 'a direct offset is aligned');
    assert(bytes.byteLength % this.alignment === 0, 'a direct length is aligned');
    assert(addressOf(bytes) % this.alignment === 0, 'direct memory is aligned');
  }

  #error(number: number, operation: string, offset?: number, length?: number): AshlarError {
    const context = { ...(offset === undefined ? {} : { offset }), ...(length === undefined ? {} : { length }) };
    return systemError(number, operation, this.path, context);
  }
}
