import { AshlarError, isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ImageBitmap } from '../bitmap-directory.ts';
import type { Qcow2Header } from '../header.ts';
import type { Refcounts } from '../refcounts.ts';
import type { BitmapBits } from './bitmap-bits.ts';
import type { ImageBitmaps } from './image-bitmaps.ts';

type Kept = { readonly bitmap: ImageBitmap; readonly bits: BitmapBits };

/**
 * Sets the bits of what is written, in bitmaps that ask for it. While an image is written they say of themselves on disk that they are in use: whoever finds
 * them so, since their writer was killed, knows that they are worth nothing.
 */
export class BitmapWriter {
  readonly #file: HostFile;
  readonly #directoryOffset: number;
  readonly #bitmaps: ImageBitmaps;
  readonly #kept: readonly Kept[];

  private constructor(file: HostFile, directoryOffset: number, bitmaps: ImageBitmaps, kept: readonly Kept[]) {
    this.#file = file;
    this.#directoryOffset = directoryOffset;
    this.#bitmaps = bitmaps;
    this.#kept = kept;
  }

  /** One that is too large for memory, or damaged, is in use from then on, and stays so. */
  static async begin(file: HostFile, header: Qcow2Header, bitmaps: ImageBitmaps): Promise<BitmapWriter> {
    const kept: Kept[] = [];
    const changing = bitmaps.all.filter(({ isAuto, isInUse }) => isAuto && !isInUse);
    for (const bitmap of changing) {
      const bits = await bitmaps.bitsOf(bitmap.name).catch(withoutDamaged);
      if (bits !== undefined) kept.push({ bitmap, bits });
    }
    const writer = new BitmapWriter(file, header.bitmaps!.directoryOffset, bitmaps, kept);
    await writer.#setFlags(changing, true);
    return writer;
  }

  mark(offset: number, length: number): void {
    for (const { bits } of this.#kept) bits.set(offset, length);
  }

  /** Writes them where their image has them, and says that they are whole. What they have no more is dropped. */
  async store(refcounts: Refcounts): Promise<void> {
    const tables: { readonly offset: number; readonly entries: Buffer }[] = [];
    const dropped: number[] = [];
    for (const kept of this.#kept) tables.push(await this.#storeBits(kept, refcounts, dropped));
    await refcounts.write();
    await this.#file.sync();
    for (const { entries, offset } of tables) await this.#put(offset, entries);
    await this.#file.sync();
    for (const place of dropped) refcounts.drop(place, 1);
    await this.#setFlags(
      this.#kept.map(({ bitmap }) => bitmap),
      false,
    );
  }

  async #storeBits(
    { bitmap, bits }: Kept,
    refcounts: Refcounts,
    dropped: number[],
  ): Promise<{ readonly offset: number; readonly entries: Buffer }> {
    const { clusterBytes } = refcounts;
    const { entries, places } = await this.#bitmaps.tableOf(bitmap);
    for (const [index, before] of places.entries()) {
      const part = bits.partOf(index, clusterBytes);
      const place = part === undefined ? 0 : before > 0 ? before : await refcounts.take(1);
      if (part === undefined && before > 0) dropped.push(before);
      if (part !== undefined) {
        const cluster = Buffer.alloc(clusterBytes);
        cluster.set(part);
        await this.#put(place, cluster);
      }
      entries.writeBigUInt64BE(BigInt(place), index * 8);
    }
    return { offset: bitmap.tableOffset, entries };
  }

  async #setFlags(bitmaps: readonly ImageBitmap[], isInUse: boolean): Promise<void> {
    if (bitmaps.length === 0) return;
    for (const { entryOffset, flags } of bitmaps) {
      const word = Buffer.alloc(4);
      word.writeUInt32BE(isInUse ? (flags | 1) >>> 0 : flags);
      await this.#put(this.#directoryOffset + entryOffset + 12, word);
    }
    await this.#file.sync();
  }

  async #put(offset: number, bytes: Uint8Array): Promise<void> {
    const written = this.#file.write(offset, bytes);
    if (isPromise(written)) await written;
  }
}

function withoutDamaged(error: unknown): undefined {
  if (error instanceof AshlarError && (error.kind === 'unsupported' || error.kind === 'corrupt')) return undefined;
  throw error;
}
