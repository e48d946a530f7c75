import {
  andThen,
  AshlarError,
  isPromise,
  type Clock,
  type FileHandle,
  type Scheduler,
  type Settled,
  type Timer,
} from '@ashlar/core';
import { closeDescriptor, pathOf, statOpen, type FileStat } from '@ashlar/host';
import { LRUCache } from 'lru-cache';
import { done } from './errors.ts';
import { gone, headBytes, inodeIn, type FilePlace, type Handles } from './handles.ts';
import { OpenFile } from './open-file.ts';

/** Files that are open at once: three descriptors of each at the most. */
const mostOpen = 1000;
/** One that nobody used for so long is closed, so that it holds neither room on the disk nor a program back. */
const idleMs = 5000;

type Parts = {
  readonly root: OpenFile;
  readonly handles: Handles;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** A sync failed. */
  readonly failed: () => void;
};

const slash = 0x2f;

/** The files of an exported directory that are open, each once: those that were used last, by their inodes. An open file's inode is nobody else's. */
export class OpenFiles {
  readonly root: OpenFile;
  readonly #parts: Parts;
  readonly #rootStat: FileStat;
  readonly #open = new LRUCache<bigint, OpenFile>({ max: mostOpen, dispose: (file) => file.close() });
  #sweep: Timer | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.root = parts.root;
    this.#rootStat = parts.root.stat();
  }

  /** Throws `bad-handle`, `stale`. */
  find(handle: FileHandle): Settled<OpenFile> {
    const { handles } = this.#parts;
    if (handle.length < headBytes || !handles.isOne(handle)) {
      throw new AshlarError('bad-handle', 'a handle is none of this tree');
    }
    const inode = inodeIn(handle);
    if (inode === this.root.inode) {
      if (isSame(handle, this.root.handle)) return this.root;
      throw gone();
    }
    const there = this.#open.get(inode);
    if (there !== undefined && isSame(there.handle, handle)) return this.#used(there);
    return andThen(handles.open(handle), (descriptor) => this.#opened(handle, inode, descriptor));
  }

  /** The same of a directory. Throws `not-directory`. */
  directory(handle: FileHandle): Settled<OpenFile> {
    return andThen(this.find(handle), (file) => {
      if (file.isDirectory) return file;
      throw new AshlarError('not-directory', 'the file is no directory');
    });
  }

  /** A file that was found by a name; its descriptor is closed with it, or at once. Throws `denied` for what is on another file system. */
  adopt(descriptor: number, place: FilePlace): Settled<OpenFile> {
    const stat = this.#looked(descriptor);
    if (stat.inode === this.root.inode) {
      closeDescriptor(descriptor);
      return this.root;
    }
    const there = this.#open.get(stat.inode);
    if (there !== undefined) {
      closeDescriptor(descriptor);
      return this.#used(there);
    }
    return andThen(this.#handleOf(descriptor, stat, place), (handle) => this.#keep(handle, descriptor, stat));
  }

  /** The handle of a file that was found by a name and is not kept open: its descriptor is closed. Throws as `adopt`. */
  look(descriptor: number, place: FilePlace): Settled<{ readonly handle: FileHandle; readonly stat: FileStat }> {
    const stat = this.#looked(descriptor);
    const { handle } = (stat.inode === this.root.inode ? this.root : this.#open.peek(stat.inode)) ?? {};
    if (handle !== undefined) {
      closeDescriptor(descriptor);
      return { handle, stat };
    }
    return andThen(this.#handleOf(descriptor, stat, place), (made) => {
      closeDescriptor(descriptor);
      return { handle: made, stat };
    });
  }

  /** A file that lost its last name is not kept open, so that its room is free at once. Gives its handle where it was such a one. */
  dropGone(inode: bigint): FileHandle | undefined {
    const file = this.#open.peek(inode);
    if (file === undefined) return undefined;
    const stat = statOpen(file.place);
    if (typeof stat === 'number' || stat.links > 0) return undefined;
    this.#open.delete(inode);
    return file.handle;
  }

  /** Gives a file a name, and sees to it that its handle is good before, meanwhile and afterwards. `statOf`: which file it is; what `move` uses is open then. */
  moving<T>(
    statOf: () => FileStat | undefined,
    place: FilePlace,
    uses: readonly OpenFile[],
    move: () => T,
  ): Settled<T> {
    const stat = statOf();
    if (stat === undefined) return move();
    const { handles } = this.#parts;
    const moved = (): Settled<T> => {
      const result = move();
      return andThen(handles.moved(stat, place), () => result);
    };
    const expected = handles.expect(stat, place);
    if (!isPromise(expected)) return moved();
    for (const each of uses) each.keep();
    const now = expected.then(() =>
      statOf()?.inode === stat.inode ? moved() : this.moving(statOf, place, uses, move),
    );
    return now.finally(() => {
      for (const each of uses) each.release();
    });
  }

  /** The last name of a file is gone, and that is durable. */
  forget(handle: FileHandle): Settled<void> {
    return this.#parts.handles.forget(handle);
  }

  /** Whether the root is this directory, or one above it. */
  isWithin(descriptor: number): boolean {
    const root = done(pathOf(this.root.place));
    const path = done(pathOf(descriptor));
    if (root.length === 1) return true;
    return path.subarray(0, root.length).equals(root) && (path.length === root.length || path[root.length] === slash);
  }

  async close(): Promise<void> {
    this.#sweep?.cancel();
    await this.#parts.handles.close();
    this.#open.clear();
    this.root.close();
  }

  #opened(handle: FileHandle, inode: bigint, descriptor: number): OpenFile {
    const stat = this.#looked(descriptor);
    if (stat.inode !== inode || stat.links === 0) {
      closeDescriptor(descriptor);
      throw gone();
    }
    return this.#used(this.#keep(handle, descriptor, stat));
  }

  /** What a descriptor is of, which is closed where that is on another file system. */
  #looked(descriptor: number): FileStat {
    const stat = statOpen(descriptor);
    const { fileSystem, mount } = this.#rootStat;
    if (typeof stat !== 'number' && stat.mount === mount && stat.fileSystem === fileSystem) return stat;
    closeDescriptor(descriptor);
    done(stat);
    throw new AshlarError('denied', 'another file system is mounted there, which is not exported with this one');
  }

  #handleOf(descriptor: number, stat: FileStat, place: FilePlace): Settled<FileHandle> {
    const failed = (error: unknown): never => {
      closeDescriptor(descriptor);
      throw error;
    };
    try {
      const handle = this.#parts.handles.of(descriptor, stat, place);
      return handle instanceof Promise ? handle.catch(failed) : handle;
    } catch (error) {
      return failed(error);
    }
  }

  #keep(handle: FileHandle, descriptor: number, stat: FileStat): OpenFile {
    const file = new OpenFile(handle, descriptor, stat, this.#parts.failed);
    file.usedMs = this.#parts.clock.monotonicMs();
    this.#open.set(stat.inode, file);
    this.#sweep ??= this.#parts.scheduler.after(idleMs, () => this.#closeIdle());
    return file;
  }

  /** A directory may have been moved out of the tree behind our back; which directory another file is in nobody can say. */
  #used(file: OpenFile): OpenFile {
    if (file.isDirectory && !this.isWithin(file.place)) throw gone();
    file.usedMs = this.#parts.clock.monotonicMs();
    return file;
  }

  #closeIdle(): void {
    this.#sweep = undefined;
    const until = this.#parts.clock.monotonicMs() - idleMs;
    const idle = [...this.#open.values()].filter((file) => file.usedMs <= until && !file.isBusy);
    for (const { inode } of idle) this.#open.delete(inode);
    if (this.#open.size > 0) this.#sweep = this.#parts.scheduler.after(idleMs, () => this.#closeIdle());
  }
}

const isSame = (one: FileHandle, other: FileHandle): boolean => Buffer.compare(one, other) === 0;
