import { alignUp, AshlarError, isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { encodeTablePlace, type ImageBitmap } from '../bitmap-directory.ts';
import type { Qcow2Header } from '../header.ts';
import type { Refcounts } from '../refcounts.ts';
import { readHeader } from '../stored.ts';
import { BitmapBits } from './bitmap-bits.ts';
import type { ImageBitmaps } from './image-bitmaps.ts';
import { putBits } from './put-bits.ts';

type Kept = { bitmap: ImageBitmap; readonly bits: BitmapBits };

type Clusters = { readonly offset: number; readonly count: number };

/** What a bitmap has in an image of another size, and where its table and its bits lay before. */
type Moved = Kept & { readonly before: readonly Clusters[] };

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

  /** Throws `unsupported` where they do not take another size of the image. */
  refuseResize(sizeBytes: number): void {
    const { path } = this.#file;
    for (const bitmap of this.#bitmaps.all) {
      const { isInUse, name } = bitmap;
      if (!isInUse && this.#bitmaps.fits(bitmap) && this.#bitmaps.fits(bitmap, sizeBytes)) continue;
      const why = isInUse ? 'was not written to its end' : 'has too many bits for memory';
      throw new AshlarError('unsupported', `'${path}' keeps its size: its bitmap '${name}' ${why}`, { path });
    }
  }

  /**
   * Gives each bitmap a table for another size of the image, which `change` gives it. What needs room is written before: where that fails nothing has
   * changed. While the size changes all of them are in use on disk. Fails with `corrupt`.
   */
  async resize(sizeBytes: number, refcounts: Refcounts, change: () => Promise<void>): Promise<void> {
    const still = this.#bitmaps.all.filter(({ isAuto }) => !isAuto);
    const { sizeBytes: sizeBefore } = await readHeader(this.#file, this.#file.path);
    const moved: Moved[] = [];
    const taken: Clusters[] = [];
    try {
      for (const bitmap of this.#bitmaps.all) moved.push(await this.#moved(bitmap, sizeBytes, refcounts, taken));
      await refcounts.write();
      await this.#setFlags(still, true);
      await change();
    } catch (error) {
      const { sizeBytes: now } = await readHeader(this.#file, this.#file.path);
      if (now === sizeBefore) await this.#setFlags(still, false);
      dropAll(refcounts, taken);
      throw error;
    }
    for (const { bits } of moved) bits.resize(sizeBytes);
    const all = moved.map(({ bitmap }) => bitmap);
    this.#bitmaps.resized(sizeBytes, all);
    for (const kept of this.#kept) kept.bitmap = all.find(({ name }) => name === kept.bitmap.name) ?? kept.bitmap;
    await this.#file.sync();
    for (const { entryOffset, tableEntries, tableOffset } of all) {
      await this.#put(this.#directoryOffset + entryOffset, encodeTablePlace(tableOffset, tableEntries));
    }
    await this.#file.sync();
    await this.#setFlags(still, false);
    for (const { before } of moved) dropAll(refcounts, before);
  }

  /** `taken` is told of all that is taken for it. */
  async #moved(bitmap: ImageBitmap, sizeBytes: number, refcounts: Refcounts, taken: Clusters[]): Promise<Moved> {
    const { clusterBytes } = refcounts;
    const bits = await this.#bitmaps.bitsOf(bitmap.name);
    const { entries, places } = await this.#bitmaps.tableOf(bitmap);
    const before = [{ offset: bitmap.tableOffset, count: Math.ceil(entries.length / clusterBytes) }];
    for (const offset of places) if (offset > 0) before.push({ offset, count: 1 });

    // Those that are set by writes have their bits written in the end.
    const then = bitmap.isAuto ? new BitmapBits(sizeBytes, bitmap.granularity) : bits.resized(sizeBytes);
    const table = await putBits(then, clusterBytes, async (bytes) => {
      const count = Math.ceil(bytes.length / clusterBytes);
      const offset = await refcounts.take(count);
      taken.push({ offset, count });
      await this.#putPadded(offset, bytes, clusterBytes);
      return offset;
    });
    return { bitmap: { ...bitmap, ...table }, bits, before };
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
      if (part !== undefined) await this.#putPadded(place, part, clusterBytes);
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

  /** Writes whole clusters, with zeros in the end. */
  async #putPadded(offset: number, bytes: Uint8Array, clusterBytes: number): Promise<void> {
    const clusters = Buffer.alloc(alignUp(bytes.length, clusterBytes));
    clusters.set(bytes);
    await this.#put(offset, clusters);
  }

  async #put(offset: number, bytes: Uint8Array): Promise<void> {
    const written = this.#file.write(offset, bytes);
    if (isPromise(written)) await written;
  }
}

function dropAll(refcounts: Refcounts, places: readonly Clusters[]): void {
  for (const { count, offset } of places) refcounts.drop(offset, count);
}

function withoutDamaged(error: unknown): undefined {
  if (error instanceof AshlarError && (error.kind === 'unsupported' || error.kind === 'corrupt')) return undefined;
  throw error;
}
