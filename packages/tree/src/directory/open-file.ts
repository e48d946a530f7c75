import { AshlarError, type FileAttributes, type FileHandle, type FileType } from '@ashlar/core';
import { closeDescriptor, Descriptor, openAgain, statOpen, syncOnPool, type FileStat } from '@ashlar/host';
import { attributesOf, typeOf } from './attributes.ts';
import { done, fileError } from './errors.ts';
import { SharedSync } from './shared-sync.ts';

/** A file by a descriptor that names it: whatever becomes of its name, and of names above it. */
export class OpenFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
  readonly type: FileType;
  /** Milliseconds of the monotonic clock. */
  usedMs = 0;
  readonly #place: Descriptor;
  #reader: Descriptor | undefined;
  #writer: Descriptor | undefined;
  #users = 0;
  #isClosed = false;
  readonly #shared: SharedSync;
  /** The next sync is of attributes as well. */
  #needsAll = false;

  /** `descriptor` is closed with it. `failed`: a sync failed. */
  constructor(handle: FileHandle, descriptor: number, stat: FileStat, failed: () => void) {
    this.handle = Uint8Array.from(handle);
    this.inode = stat.inode;
    this.type = typeOf(stat);
    this.#place = new Descriptor(descriptor, `the file ${stat.inode}`, closeDescriptor);
    this.#shared = new SharedSync(async () => {
      const what = this.#needsAll ? 'all' : 'data';
      this.#needsAll = false;
      const result = await this.forSync.hold((number) => syncOnPool(number, what));
      if (result >= 0) return;
      failed();
      throw fileError(-result);
    });
  }

  /** Names it; for calls that take no other. */
  get place(): number {
    return this.#place.number;
  }

  get isDirectory(): boolean {
    return this.type === 'directory';
  }

  /** Throws `stale` where it has no name any more. */
  stat(): FileStat {
    const stat = done(statOpen(this.place));
    if (stat.links > 0) return stat;
    throw new AshlarError('stale', 'the file is gone');
  }

  attributes(): FileAttributes {
    return attributesOf(this.stat());
  }

  /** As a regular file or directory is read, by the rights of the server. */
  get reader(): Descriptor {
    return (this.#reader ??= this.#again('read'));
  }

  /** As a regular file is written. */
  get writer(): Descriptor {
    return (this.#writer ??= this.#again('write'));
  }

  /** As it is synced: as it is open, or as it is read. */
  get forSync(): Descriptor {
    return this.#writer ?? this.reader;
  }

  /** A new file is open to be written already. */
  set writer(descriptor: Descriptor) {
    this.#writer = descriptor;
  }

  /** Those that wait share one sync: an open file is told of an error once, and so are all of them. Of a regular file or directory. */
  sync(what: 'all' | 'data'): Promise<void> {
    if (what === 'all') this.#needsAll = true;
    return this.#shared.wait();
  }

  /** Something that takes its time uses it. */
  get isBusy(): boolean {
    return this.#users > 0 || this.#shared.isRunning;
  }

  /** Stays open until `release`, though it be closed. */
  keep(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#isClosed && this.#users === 0) this.#close();
  }

  /** Stays open meanwhile. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.keep();
    try {
      return await run();
    } finally {
      this.release();
    }
  }

  close(): void {
    this.#isClosed = true;
    if (this.#users === 0) this.#close();
  }

  #close(): void {
    for (const each of [this.#place, this.#reader, this.#writer]) each?.close();
  }

  #again(kind: 'read' | 'write'): Descriptor {
    return new Descriptor(done(openAgain(this.place, kind)), `the file ${this.inode}`, closeDescriptor);
  }
}
