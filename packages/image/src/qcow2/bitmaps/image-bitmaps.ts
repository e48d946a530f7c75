import { AshlarError, MiB, type BlockBitmaps, type Change } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ImageBitmap } from '../bitmap-directory.ts';
import type { Qcow2Header } from '../header.ts';
import { readBitmaps, tableAt } from '../stored.ts';
import { BitmapBits, bitmapBytes } from './bitmap-bits.ts';

/** Of one bitmap in memory: 1 TiB by 2 KiB. */
const mostBytes = 64 * MiB;
const offsetMask = 0x00ff_ffff_ffff_fe00n;
const reserved = 0xff00_0000_0000_01fen;

/** Which of its bitmaps' clusters have a place: where; -1: they are all ones; 0: all zeros. */
export type BitmapTable = { readonly entries: Buffer; readonly places: readonly number[] };

/** The bitmaps of an image that are worth something, read when they are asked for. */
export class ImageBitmaps implements BlockBitmaps {
  #all: readonly ImageBitmap[];
  readonly #file: HostFile;
  readonly #clusterBytes: number;
  #sizeBytes: number;
  readonly #read = new Map<string, Promise<BitmapBits>>();

  private constructor(file: HostFile, header: Qcow2Header, all: readonly ImageBitmap[]) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#sizeBytes = header.sizeBytes;
    this.#all = all;
  }

  /** Those of an image; nothing where it has none. Fails with `corrupt`. */
  static async of(file: HostFile, header: Qcow2Header): Promise<ImageBitmaps | undefined> {
    if (header.bitmaps === undefined) return undefined;
    return new ImageBitmaps(file, header, await readBitmaps(file, header, file.path));
  }

  get all(): readonly ImageBitmap[] {
    return this.#all;
  }

  /** The image has another size, and its bitmaps other tables for it. */
  resized(sizeBytes: number, all: readonly ImageBitmap[]): void {
    [this.#sizeBytes, this.#all] = [sizeBytes, all];
  }

  get names(): readonly string[] {
    return this.all.filter(({ isInUse }) => !isInUse).map(({ name }) => name);
  }

  async changes(name: string, offset: number, length: number, limit: number): Promise<readonly Change[]> {
    return (await this.bitsOf(name)).runs(offset, length, limit);
  }

  /** Whether its bits fit into memory, for an image of that size. */
  fits({ granularity }: ImageBitmap, sizeBytes = this.#sizeBytes): boolean {
    return bitmapBytes(sizeBytes, granularity) <= mostBytes;
  }

  /** Its bits, which stay in memory. Fails as `read`. */
  bitsOf(name: string): Promise<BitmapBits> {
    const there = this.#read.get(name);
    if (there !== undefined) return there;
    const reading = this.read(name);
    this.#read.set(name, reading);
    reading.catch(() => this.#read.delete(name));
    return reading;
  }

  /** Fails with `not-found`, `unsupported` where they are too many, `corrupt`. */
  async read(name: string): Promise<BitmapBits> {
    const { path } = this.#file;
    const found = this.all.find((each) => each.name === name && !each.isInUse);
    if (found === undefined)
      throw new AshlarError('not-found', `'${path}' has no bitmap '${name}' that is whole`, { path });
    if (!this.fits(found)) {
      throw new AshlarError('unsupported', `the bitmap '${name}' of '${path}' has too many bits for memory`, { path });
    }
    const bits = new BitmapBits(this.#sizeBytes, found.granularity);
    const { places } = await this.tableOf(found);
    for (const [index, place] of places.entries()) {
      const part = bits.bytes.subarray(index * this.#clusterBytes, (index + 1) * this.#clusterBytes);
      if (place === -1) part.fill(0xff);
      else if (place > 0) part.fill(0, await this.#file.read(place, part));
    }
    return bits;
  }

  /** Its table as it is on disk. Fails with `corrupt`. */
  async tableOf({ granularity, name, tableEntries, tableOffset }: ImageBitmap): Promise<BitmapTable> {
    const { path } = this.#file;
    const needed = Math.ceil(bitmapBytes(this.#sizeBytes, granularity) / this.#clusterBytes);
    const entries = await tableAt(this.#file, tableOffset, tableEntries * 8, path);
    const places: number[] = [];
    for (let index = 0; index < Math.min(needed, tableEntries); index += 1) {
      const entry = entries.readBigUInt64BE(index * 8);
      const place = Number(entry & offsetMask);
      const isOdd = place % this.#clusterBytes !== 0 || place > this.#file.size();
      if (isOdd || (entry & reserved) !== 0n || (place > 0 && (entry & 1n) !== 0n)) {
        throw new AshlarError('corrupt', `the bitmap '${name}' of '${path}' has a table that is damaged`, { path });
      }
      places.push((entry & 1n) !== 0n ? -1 : place);
    }
    if (places.length === needed) return { entries, places };
    throw new AshlarError('corrupt', `the bitmap '${name}' of '${path}' has a table that is too short`, { path });
  }
}
