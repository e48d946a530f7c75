import { AshlarError, andThen, errorKindOf, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import type { BrokenRule } from './broken-rule.ts';
import type { Scratch } from './scratch.ts';
import type { SlotPlaces } from './slot-places.ts';
import { syncFiles } from './sync-files.ts';

/**
 * The slots, in files or on a device. They bypass the page cache where the file system
 * lets them: nothing is held twice, a write is at the device when it settles, and a sync has only the device's own cache to
 * empty. Which of the files must be synced is known here.
 */
export class DataFiles {
  readonly #scratch: Scratch;
  readonly #places: SlotPlaces;
  readonly #broken: BrokenRule | undefined;
  readonly #unsynced = new Set<HostFile>();
  /** Of these the ones with slots that a frame of the journal points to: what a flush needs. */
  readonly #named = new Set<HostFile>();
  /**
   * Whether the host is asked for the room of new blocks before they are written. Without it ext4 sets 2 MiB aside for each
   * (fs/ext4/mballoc.c), and searches the whole disk for every block once nothing so long is free any more.
   */
  asksForRoom = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #running = new Set<Promise<void>>();
  /** The sync that took named slots along last. */
  #namedSync: Promise<void> = Promise.resolve();

  constructor(places: SlotPlaces, scratch: Scratch, broken: BrokenRule | undefined) {
    this.#places = places;
    this.#scratch = scratch;
    this.#broken = broken;
  }

  /** Whether blocks are read into this memory without a copy. */
  accepts(slot: number, memory: Uint8Array): boolean {
    return this.#places.fileOf(slot).accepts(memory);
  }

  /** Reads whole blocks of one slot from `block` on. What was never written there may be short: it fails verification. */
  read(slot: number, block: number, into: Uint8Array): Settled<number> {
    const file = this.#places.fileOf(slot);
    const offset = this.#places.offsetOf(slot, block);
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
    const file = this.#places.fileOf(slot);
    return this.#noted(file, this.#write(file, this.#places.offsetOf(slot, block), from));
  }

  /** Writes what a frame of the journal will point to: a flush makes it durable first (rule 2). */
  writeNamed(slot: number, block: number, from: Uint8Array): Settled<void> {
    const file = this.#places.fileOf(slot);
    return andThen(this.#noted(file, this.#write(file, this.#places.offsetOf(slot, block), from)), () => {
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
    const file = this.#places.fileOf(slot);
    return this.#noted(file, file.writeMany(this.#places.offsetOf(slot, block), parts));
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
    if (this.#places.isWhole) return;
    const file = this.#places.fileOf(slot);
    return this.#noted(file, file.allocate(this.#places.offsetOf(slot, block), blocks * blockSize));
  }

  /** Gives the room of slots that are not in use any more back to the host, so many blocks that follow each other. As `punch`. */
  giveBack(slot: number, blocks: number): Settled<void> {
    if (!this.#places.isWhole || this.#places.fileOf(slot).discards) return this.#punch(slot, 0, blocks);
  }

  /** Gives the room of blocks of a slot back to the host. A host that cannot punch keeps it, and nothing else changes. */
  punch(slot: number, block: number, blocks: number): Settled<void> {
    if (!this.#places.isWhole) return this.#punch(slot, block, blocks);
  }

  #punch(slot: number, block: number, blocks: number): Settled<void> {
    const file = this.#places.fileOf(slot);
    try {
      return this.#noted(file, file.punch(this.#places.offsetOf(slot, block), blocks * blockSize));
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
    const own = this.#syncThese(files, this.#places.takeNew()).catch((error: unknown) => {
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

  async #syncThese(files: readonly HostFile[], syncNew: (() => Promise<void>) | undefined): Promise<void> {
    await syncFiles(files, this.#broken === 'sync-retried');
    await syncNew?.();
  }

  /** A process before this one wrote to the slot, which the journal names, and may have ended before it synced: the next sync does. */
  suspect(slot: number): void {
    this.#unsynced.add(this.#places.fileOf(slot));
    this.#named.add(this.#places.fileOf(slot));
  }

  /** A sync that began while the write was on its way may have missed it: only what is written counts as to be synced. */
  #noted(file: HostFile, written: Settled<void>): Settled<void> {
    return andThen(written, () => {
      this.#unsynced.add(file);
    });
  }
}
