import { AshlarError, andThen, errorKindOf, GiB, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import type { BrokenRule } from './broken-rule.ts';
import type { Scratch } from './scratch.ts';
import { syncFiles } from './sync-files.ts';

/** Bytes of one data file: below the largest file of every file system in use, and few files for a large pool. */
export const fileBytes = 16 * GiB;

/**
 * The slots, in files of 16 GiB of which only what was written takes room. They bypass the page cache where the file system
 * lets them: nothing is held twice, a write is at the device when it settles, and a sync has only the device's own cache to
 * empty. Which of them must be synced is known here.
 */
export class DataFiles {
  readonly #host: Host;
  readonly #scratch: Scratch;
  readonly #directory: string;
  readonly #slotBytes: number;
  readonly #broken: BrokenRule | undefined;
  readonly #files: (HostFile | undefined)[] = [];
  readonly #unsynced = new Set<HostFile>();
  /** Of these the ones with slots that a frame of the journal points to: what a flush needs. */
  readonly #named = new Set<HostFile>();
  #newFile = false;
  #direct = true;
  /**
   * Whether the host is asked for the room of new blocks before they are written. Without it ext4 sets 2 MiB aside for each
   * (fs/ext4/mballoc.c), and searches the whole disk for every block once nothing so long is free any more.
   */
  asksForRoom = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #running = new Set<Promise<void>>();
  /** The sync that took named slots along last. */
  #namedSync: Promise<void> = Promise.resolve();

  constructor(host: Host, directory: string, slotBytes: number, scratch: Scratch, broken: BrokenRule | undefined) {
    this.#broken = broken;
    this.#host = host;
    this.#scratch = scratch;
    this.#directory = directory;
    this.#slotBytes = slotBytes;
  }

  /** False where a file system refused: the page cache is used, for the same file always. */
  get isDirect(): boolean {
    return this.#direct;
  }

  /** Whether blocks are read into this memory without a copy. */
  accepts(slot: number, memory: Uint8Array): boolean {
    return this.#file(slot).accepts(memory);
  }

  /** Reads whole blocks of one slot from `block` on. What was never written there may be short: it fails verification. */
  read(slot: number, block: number, into: Uint8Array): Settled<number> {
    const file = this.#file(slot);
    const offset = this.#offset(slot, block);
    return file.accepts(into) ? file.read(offset, into) : this.#readThrough(file, offset, into);
  }

  #readThrough(file: HostFile, offset: number, into: Uint8Array): Settled<number> {
    return this.#scratch.use(into.length, (memory) =>
      andThen(file.read(offset, memory.subarray(0, into.length)), (count) => {
        into.set(memory.subarray(0, count));
        return count;
      }),
    );
  }

  write(slot: number, block: number, from: Uint8Array): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, this.#write(file, this.#offset(slot, block), from));
  }

  /** Writes what a frame of the journal will point to: a flush makes it durable first (rule 2). */
  writeNamed(slot: number, block: number, from: Uint8Array): Settled<void> {
    const file = this.#file(slot);
    return andThen(this.#noted(file, this.#write(file, this.#offset(slot, block), from)), () => {
      this.#named.add(file);
    });
  }

  #write(file: HostFile, offset: number, from: Uint8Array): Settled<void> {
    return file.accepts(from) ? file.write(offset, from) : this.#writeThrough(file, offset, from);
  }

  #writeThrough(file: HostFile, offset: number, from: Uint8Array): Settled<void> {
    return this.#scratch.use(from.length, (memory) => {
      memory.set(from);
      return file.write(offset, memory.subarray(0, from.length));
    });
  }

  /** `parts` are whole blocks of aligned memory, which stay as they are until it has settled. */
  writeMany(slot: number, block: number, parts: readonly Uint8Array[]): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, file.writeMany(this.#offset(slot, block), parts));
  }

  /** As `writeMany`, where the slot had nothing in some of the blocks. */
  writeNew(slot: number, block: number, parts: readonly Uint8Array[]): Settled<void> {
    if (!this.asksForRoom) return this.writeMany(slot, block, parts);
    return this.#writeAllocated(slot, block, parts);
  }

  async #writeAllocated(slot: number, block: number, parts: readonly Uint8Array[]): Promise<void> {
    try {
      await this.allocate(slot, block, parts.length);
    } catch (error) {
      // A file system that cannot reserve has nothing set aside.
      if (errorKindOf(error) !== 'unsupported') throw error;
      this.asksForRoom = false;
    }
    await this.writeMany(slot, block, parts);
  }

  /** Reserves the room of blocks of a slot. */
  allocate(slot: number, block: number, blocks: number): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, file.allocate(this.#offset(slot, block), blocks * blockSize));
  }

  /** Gives the room of blocks of a slot back to the host. A host that cannot punch keeps it, and nothing else changes. */
  punch(slot: number, block: number, blocks: number): Settled<void> {
    const file = this.#file(slot);
    try {
      return this.#noted(file, file.punch(this.#offset(slot, block), blocks * blockSize));
    } catch (error) {
      if (error instanceof AshlarError && error.kind === 'unsupported') return;
      throw error;
    }
  }

  /** Makes durable what was written before the call (rule 1c). */
  sync(): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    const synced = this.#sync(files);
    if (this.#named.size > 0) this.#namedSync = synced;
    this.#named.clear();
    return synced;
  }

  /**
   * Makes durable what the journal points to and was written before the call (rule 2). What was brought home is in the journal
   * as well: a flush does not wait for it.
   */
  syncNamed(): Promise<void> {
    if (this.#named.size === 0) return this.#namedSync;
    this.#namedSync = this.#sync([...this.#named]);
    this.#named.clear();
    return this.#namedSync;
  }

  #sync(files: readonly HostFile[]): Promise<void> {
    const newFile = this.#newFile;
    this.#newFile = false;
    const own = this.#syncThese(files, newFile).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#running.add(own);
    // What a sync that still runs took along is waited for too, and of two that run at once on one file the kernel tells
    // only one that bytes of either were lost.
    const synced = own.then(async () => {
      this.#running.delete(own);
      await Promise.all(this.#running);
      if (this.#failure !== undefined) throw this.#failure.error;
    });
    // Who waits hears of a failure; the next flush does, too.
    synced.catch(() => undefined);
    return synced;
  }

  async #syncThese(files: readonly HostFile[], newFile: boolean): Promise<void> {
    await syncFiles(files, this.#broken === 'sync-retried');
    if (newFile) await this.#host.syncDirectory(this.#directory);
  }

  /** A process before this one wrote to the slot, which the journal names, and may have ended before it synced: the next sync does. */
  suspect(slot: number): void {
    this.#unsynced.add(this.#file(slot));
    this.#named.add(this.#file(slot));
  }

  /** A sync that began while the write was on its way may have missed it: only what is written counts as to be synced. */
  #noted(file: HostFile, written: Settled<void>): Settled<void> {
    return andThen(written, () => {
      this.#unsynced.add(file);
    });
  }

  /** Bytes of the host's room that they take. */
  usedBytes(): number {
    const files = this.#host.list(this.#directory).map((name) => this.#host.stat(`${this.#directory}/${name}`));
    return files.reduce((sum, stat) => sum + (stat?.allocatedBytes ?? 0), 0);
  }

  /** The files that are there: the first slot of each, and how many it holds. */
  files(): { readonly first: number; readonly slots: number }[] {
    const slots = fileBytes / this.#slotBytes;
    return this.#host
      .list(this.#directory)
      .map((name) => Number(name) * slots)
      .filter((first) => this.#file(first).size() > 0)
      .map((first) => ({ first, slots: Math.ceil(this.#file(first).size() / this.#slotBytes) }));
  }

  /** The slots from one on that the host keeps room for, by as many extents of its map, and where that look ended. */
  heldFrom(slot: number, limit: number): { readonly end: number; readonly slots: ReadonlySet<number> } {
    const file = this.#file(slot);
    const start = this.#offset(slot, 0);
    const size = file.size();
    const held = new Set<number>();
    let end = slot + Math.ceil((size - start) / this.#slotBytes);
    const extents = file.extents(start, size - start, limit);
    for (const { offset, length, state } of extents) {
      const last = slot + Math.floor((offset + length - 1 - start) / this.#slotBytes);
      for (let at = slot + Math.floor((offset - start) / this.#slotBytes); state !== 'hole' && at <= last; at += 1) {
        held.add(at);
      }
      // The last extent may go on behind what was asked for.
      if (extents.length === limit) end = last + 1;
    }
    return { end: Math.max(end, slot + 1), slots: held };
  }

  close(): void {
    for (const file of this.#files) file?.close();
    this.#files.length = 0;
  }

  #offset(slot: number, block: number): number {
    return ((slot * this.#slotBytes) % fileBytes) + block * blockSize;
  }

  #file(slot: number): HostFile {
    const index = Math.floor((slot * this.#slotBytes) / fileBytes);
    let file = this.#files[index];
    if (file === undefined) {
      file = this.#open(`${this.#directory}/${String(index).padStart(6, '0')}`);
      // A direct write behind a file's end would hold the thread while the file grows.
      if (file.size() < fileBytes) file.truncate(fileBytes);
      this.#files[index] = file;
      this.#newFile = true;
    }
    return file;
  }

  #open(path: string): HostFile {
    if (this.#direct) {
      try {
        return this.#host.open(path, { create: true, direct: true });
      } catch (error) {
        if (errorKindOf(error) !== 'unsupported') throw error;
        this.#direct = false;
      }
    }
    return this.#host.open(path, { create: true });
  }
}
