import { errorKindOf, GiB } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import type { SlotPlaces } from './slot-places.ts';

/** Bytes of one data file: below the largest file of every file system in use, and few files for a large pool. */
export const fileBytes = 16 * GiB;

/** Slots in files of 16 GiB of a directory, of which only what was written takes room. */
export class FilePlaces implements SlotPlaces {
  readonly isWhole = false;
  readonly device = undefined;
  readonly most = Infinity;
  readonly #host: Host;
  readonly #directory: string;
  readonly #slotBytes: number;
  readonly #files: (HostFile | undefined)[] = [];
  #hasNew = false;
  #direct = true;

  constructor(host: Host, directory: string, slotBytes: number) {
    this.#host = host;
    this.#directory = directory;
    this.#slotBytes = slotBytes;
  }

  get isDirect(): boolean {
    return this.#direct;
  }

  fileOf(slot: number): HostFile {
    const index = Math.floor((slot * this.#slotBytes) / fileBytes);
    let file = this.#files[index];
    if (file === undefined) {
      file = this.#open(`${this.#directory}/${String(index).padStart(6, '0')}`);
      // A direct write behind a file's end would hold the thread while the file grows.
      if (file.size() < fileBytes) file.truncate(fileBytes);
      this.#files[index] = file;
      this.#hasNew = true;
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

  offsetOf(slot: number, block: number): number {
    return ((slot * this.#slotBytes) % fileBytes) + block * blockSize;
  }

  takeNew(): (() => Promise<void>) | undefined {
    if (!this.#hasNew) return undefined;
    this.#hasNew = false;
    return () => this.#host.syncDirectory(this.#directory);
  }

  usedBytes(): number {
    const files = this.#host.list(this.#directory).map((name) => this.#host.stat(`${this.#directory}/${name}`));
    return files.reduce((sum, stat) => sum + (stat?.allocatedBytes ?? 0), 0);
  }

  *held(extentsAtOnce: number): Generator<ReadonlySet<number>> {
    for (const name of this.#host.list(this.#directory)) {
      const first = (Number(name) * fileBytes) / this.#slotBytes;
      const end = first + Math.ceil(this.fileOf(first).size() / this.#slotBytes);
      for (let slot = first; slot < end;) {
        const found = this.#heldFrom(slot, extentsAtOnce);
        yield found.slots;
        slot = found.end;
      }
    }
  }

  /** Those from one on that the host keeps room for, by as many extents of its map, and where that look ended. */
  #heldFrom(slot: number, limit: number): { readonly end: number; readonly slots: ReadonlySet<number> } {
    const file = this.fileOf(slot);
    const start = this.offsetOf(slot, 0);
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

  /** They are in the pool's directory. */
  async claim(): Promise<void> {}

  close(): void {
    for (const file of this.#files) file?.close();
    this.#files.length = 0;
  }
}
