import { AshlarError, andThen, GiB, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import type { BrokenRule } from './broken-rule.ts';
import { syncFiles } from './sync-files.ts';

/** Bytes of one data file: below the largest file of every file system in use, and few files for a large pool. */
const fileBytes = 16 * GiB;

/** The slots, in files of 16 GiB that grow as they are written. Which of them must be synced is known here. */
export class DataFiles {
  readonly #host: Host;
  readonly #directory: string;
  readonly #slotBytes: number;
  readonly #broken: BrokenRule | undefined;
  readonly #files: (HostFile | undefined)[] = [];
  readonly #unsynced = new Set<HostFile>();
  #newFile = false;
  #failure: { readonly error: unknown } | undefined;
  #syncing: Promise<void> = Promise.resolve();

  constructor(host: Host, directory: string, slotBytes: number, broken: BrokenRule | undefined) {
    this.#broken = broken;
    this.#host = host;
    this.#directory = directory;
    this.#slotBytes = slotBytes;
  }

  /** Reads whole blocks of one slot from `block` on. What was never written there may be short: it fails verification. */
  read(slot: number, block: number, into: Uint8Array): Settled<number> {
    const file = this.#file(slot);
    return file.read(this.#offset(slot, block), into);
  }

  write(slot: number, block: number, from: Uint8Array): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, file.write(this.#offset(slot, block), from));
  }

  writeMany(slot: number, block: number, parts: readonly Uint8Array[]): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, file.writeMany(this.#offset(slot, block), parts));
  }

  /** Reserves the room of blocks of a slot. */
  allocate(slot: number, block: number, blocks: number): Settled<void> {
    const file = this.#file(slot);
    return this.#noted(file, file.allocate(this.#offset(slot, block), blocks * blockSize));
  }

  /** Gives the room of blocks of a slot back to the host. A host that cannot punch keeps it, and nothing else changes. */
  punch(slot: number, block: number, blocks: number): Settled<void> {
    try {
      return this.#file(slot).punch(this.#offset(slot, block), blocks * blockSize);
    } catch (error) {
      if (error instanceof AshlarError && error.kind === 'unsupported') return;
      throw error;
    }
  }

  /**
   * Makes durable what was written before the call (rule 1c, and rule 2 for slots named by the journal). What a sync that
   * still runs took along is waited for too, and fails with it.
   */
  sync(): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    const newFile = this.#newFile;
    this.#newFile = false;
    this.#syncing = this.#syncThese(this.#syncing, files, newFile);
    return this.#syncing;
  }

  async #syncThese(before: Promise<void>, files: readonly HostFile[], newFile: boolean): Promise<void> {
    try {
      await Promise.all([before, syncFiles(files, this.#broken === 'sync-retried')]);
    } catch (error) {
      this.#failure ??= { error };
    }
    // Of two that run at once on one file the kernel tells only one that bytes of either were lost.
    if (this.#failure !== undefined) throw this.#failure.error;
    if (newFile) await this.#host.syncDirectory(this.#directory);
  }

  /** A process before this one wrote to the slot, and may have ended before it synced: the next sync does. */
  suspect(slot: number): void {
    this.#unsynced.add(this.#file(slot));
  }

  /** A sync that began while the write was on its way may have missed it: only what is written counts as to be synced. */
  #noted(file: HostFile, written: Settled<void>): Settled<void> {
    return andThen(written, () => {
      this.#unsynced.add(file);
    });
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
      file = this.#host.open(`${this.#directory}/${String(index).padStart(6, '0')}`, { create: true });
      this.#files[index] = file;
      this.#newFile = true;
    }
    return file;
  }
}
