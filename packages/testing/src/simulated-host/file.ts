import { AshlarError, maxOffset, type Extent, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { Inode } from './inode.ts';
import { blockBytes } from './memory.ts';

/** What a file needs of its machine. */
export interface FileSeams {
  /** The process that opened the file still runs. */
  isAlive(): boolean;
  /** Takes room for so many blocks, or throws `no-space`. */
  takeRoom(blocks: number, path: string): void;
  /** Settles some time later with what `work` gives; never when a crash comes first. */
  later<T>(work: () => T): Promise<T>;
  /** A call that may fail on this disk does so now. */
  strikes(call: 'read' | 'write' | 'sync'): boolean;
  readsLater(): boolean;
  sync(inode: Inode, path: string): Promise<void>;
  closed(inode: Inode): void;
}

export type FileOptions = { readonly readOnly: boolean; readonly direct: boolean };

/** An open file of a simulated machine. What a dead process still asks for has no effect and no answer. */
export class SimulatedFile implements HostFile {
  readonly path: string;
  readonly isDevice: boolean;
  readonly sectorBytes = 512;
  readonly discards = true;
  readonly alignment: number;
  readonly #inode: Inode;
  readonly #options: FileOptions;
  readonly #seams: FileSeams;
  #closed = false;

  constructor(path: string, inode: Inode, options: FileOptions, seams: FileSeams) {
    this.path = path;
    this.alignment = options.direct ? blockBytes : 1;
    this.isDevice = inode.isDevice;
    this.#inode = inode;
    this.#options = options;
    this.#seams = seams;
    inode.openers += 1;
  }

  accepts(memory: Uint8Array): boolean {
    return (memory.byteOffset | memory.byteLength) % this.alignment === 0;
  }

  size(): number {
    this.#check('size', 0, 0);
    return this.#inode.sizeBytes;
  }

  read(offset: number, into: Uint8Array): Settled<number> {
    this.#check('read', offset, into.length);
    if (!this.#options.direct && !this.#seams.readsLater()) return this.#read(offset, into);
    return this.#seams.later(() => this.#read(offset, into));
  }

  readSync(offset: number, into: Uint8Array): number {
    this.#check('read', offset, into.length);
    return this.#inode.read(offset, into);
  }

  write(offset: number, from: Uint8Array): Settled<void> {
    return this.writeMany(offset, [from]);
  }

  writeOffThread(offset: number, from: Uint8Array): Promise<void> {
    this.#checkChange('write', offset, from.length);
    return this.#seams.later(() => this.#write(offset, [from]));
  }

  writeMany(offset: number, parts: readonly Uint8Array[]): Settled<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#checkChange('write', offset, length);
    return this.#options.direct ? this.#seams.later(() => this.#write(offset, parts)) : this.#write(offset, parts);
  }

  copyFrom(source: HostFile, from: number, offset: number, length: number): Promise<number> {
    this.#checkChange('copyFrom', offset, length);
    return this.#seams.later(() => {
      const bytes = new Uint8Array(length);
      const count = source.readSync(from, bytes);
      if (count > 0) this.#write(offset, [bytes.subarray(0, count)]);
      return count;
    });
  }

  async sync(): Promise<void> {
    this.#check('sync', 0, 0);
    await this.#seams.sync(this.#inode, this.path);
  }

  startWriteback(offset: number, length: number): void {
    this.#check('startWriteback', offset, length);
  }

  allocate(offset: number, length: number): void {
    this.#checkChange('allocate', offset, length);
    if (!this.#seams.isAlive()) return;
    this.#seams.takeRoom(this.#inode.missing(offset, length), this.path);
    this.#inode.reserve(offset, length, true);
  }

  punch(offset: number, length: number): void {
    this.#checkChange('punch', offset, length);
    if (this.#seams.isAlive()) this.#inode.clear(offset, length, false);
  }

  zeroRange(offset: number, length: number): void {
    this.#checkChange('zeroRange', offset, length);
    if (!this.#seams.isAlive()) return;
    this.#seams.takeRoom(this.#inode.missing(offset, length), this.path);
    this.#inode.clear(offset, length, true);
    this.#inode.reserve(offset, length, false);
  }

  extents(offset: number, length: number, limit: number): readonly Extent[] {
    this.#check('extents', offset, length);
    return this.#inode.extents(offset, length, limit);
  }

  truncate(sizeBytes: number): void {
    this.#checkChange('truncate', sizeBytes, 0);
    if (this.#seams.isAlive()) this.#inode.truncate(sizeBytes);
  }

  tryLock(exclusive: boolean): boolean {
    this.#check('lock', 0, 0);
    for (const [owner, held] of this.#inode.locks) if (owner !== this && (held || exclusive)) return false;
    // What a crash has ended holds nothing.
    if (this.#seams.isAlive()) this.#inode.locks.set(this, exclusive);
    return true;
  }

  lockRange(offset: number, length: number): boolean {
    this.#check('lock', offset, length);
    this.#inode.rangeLocks.push({ owner: this, offset, end: offset + length });
    return true;
  }

  isRangeLocked(offset: number, length: number): boolean {
    this.#check('lock', offset, length);
    return this.#inode.rangeLocks.some(
      (lock) => lock.owner !== this && lock.offset < offset + length && lock.end > offset,
    );
  }

  async willNeed(offset: number, length: number): Promise<void> {
    this.#check('willNeed', offset, length);
  }

  dropCache(offset: number, length: number): void {
    this.#check('dropCache', offset, length);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#seams.isAlive()) return;
    this.#inode.locks.delete(this);
    this.#inode.rangeLocks = this.#inode.rangeLocks.filter(({ owner }) => owner !== this);
    this.#inode.openers -= 1;
    this.#seams.closed(this.#inode);
  }

  #read(offset: number, into: Uint8Array): number {
    if (this.#seams.strikes('read')) {
      throw new AshlarError('io', `${this.path} could not be read`, { path: this.path, offset });
    }
    return this.#inode.read(offset, into);
  }

  /** A disk that is full, or fails, may have taken the first part of it. */
  #write(offset: number, parts: readonly Uint8Array[]): void {
    if (!this.#seams.isAlive()) return;
    let at = offset;
    for (const part of parts) {
      this.#seams.takeRoom(this.#inode.missing(at, part.length), this.path);
      if (this.#seams.strikes('write')) {
        this.#inode.write(at, part.subarray(0, part.length >>> 1));
        throw new AshlarError('io', `${this.path} could not be written`, { path: this.path, offset: at });
      }
      this.#inode.write(at, part);
      at += part.length;
    }
  }

  #check(operation: string, offset: number, length: number): void {
    const context = { path: this.path, operation, offset, length };
    if (this.#closed) throw new AshlarError('closed', `${this.path} is closed`, context);
    if (offset < 0 || length < 0 || offset + length > maxOffset) {
      throw new AshlarError('out-of-range', `${this.path} has no ${length} bytes at ${offset}`, context);
    }
  }

  #checkChange(operation: string, offset: number, length: number): void {
    this.#check(operation, offset, length);
    if (!this.#options.readOnly) return;
    throw new AshlarError('read-only', `${this.path} was opened for reading`, { path: this.path, operation });
  }
}
