import { checkSize, InFlight, unsupportedError } from '@ashlar/block';
import {
  alignDown,
  alignUp,
  andThen,
  assert,
  isPromise,
  type BlockBitmaps,
  type BlockCapabilities,
  type BlockDevice,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { BitmapWriter } from './bitmaps/bitmap-writer.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { ClusterReader } from './cluster-reader.ts';
import { zeros, type ClusterWriter } from './cluster-writer.ts';
import { tableSpan, type Geometry } from './geometry.ts';
import { giveBack } from './give-back.ts';
import type { CompressionType, Qcow2Header } from './header.ts';
import { ImageReads } from './image-reads.ts';
import type { L1Table } from './l1-table.ts';
import type { Refcounts } from './refcounts.ts';
import { growImage, refuseResize, shrinkImage, type GrownRoom } from './resize.ts';
import type { Tables } from './tables.ts';

type WriteDeviceParts = {
  readonly sizeBytes: number;
  readonly geometry: Geometry;
  readonly map: ClusterMap;
  readonly reader: ClusterReader;
  readonly writer: ClusterWriter;
  readonly tables: Tables;
  readonly refcounts: Refcounts;
  /** The image, and where its data lies, which may be the same. */
  readonly file: HostFile;
  readonly data: HostFile;
  readonly header: Qcow2Header;
  readonly l1: L1Table;
  readonly bitmaps: BlockBitmaps | undefined;
  /** Sets bits of bitmaps that want to know of writes. */
  readonly marks: BitmapWriter | undefined;
  readonly closed: () => Settled<void>;
};

const capabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'none',
  trim: 'native',
  zero: 'native',
  fastZero: 'native',
  extents: 'native',
  prefetch: 'emulated',
  compareAndWrite: 'none',
  copyFrom: 'none',
  resize: 'native',
  multiConnection: 'native',
};

/** Extents of the rest of a cluster that are looked at. */
const mostAround = 8;

/**
 * A qcow2 image that is written. What has its place is read and written there at once; whatever changes the tables comes one behind the other. Tables
 * are written by a flush, those of refcounts first: what is cut off leaves an image that is right, with clusters that nobody has at the worst.
 */
export class WriteDevice extends ImageReads implements BlockDevice {
  readonly readOnly = false;
  readonly capabilities = capabilities;
  readonly #parts: WriteDeviceParts;
  /** Reads of places that may be given to others, of now and of before the last flush. */
  #reads = new InFlight();
  #last: Promise<void> = Promise.resolve();
  /** Changes of the tables that are not done. */
  #waiting = 0;

  constructor(parts: WriteDeviceParts) {
    super(parts.reader, parts.sizeBytes, { minimum: 512, preferred: parts.geometry.subclusterBytes });
    this.#parts = parts;
  }

  get bitmaps(): BlockBitmaps | undefined {
    return this.#parts.bitmaps;
  }

  override read(offset: number, into: Uint8Array): Settled<void> {
    return this.#reads.track(super.read(offset, into));
  }

  override extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    return this.#reads.track(super.extents(offset, length, limit));
  }

  write(offset: number, from: Uint8Array, _durable: boolean): Settled<void> {
    this.check('write', offset, from.length);
    this.#parts.marks?.mark(offset, from.length);
    const done = this.#writeInPlace(offset, from);
    if (done === from.length) return;
    const rest = from.subarray(done);
    return this.#alone(() => this.#parts.writer.write(offset + done, rest));
  }

  /** As much of it as has its place, and as can be known and written at once. */
  #writeInPlace(offset: number, from: Uint8Array): number {
    const { data, map } = this.#parts;
    for (let done = 0; done < from.length;) {
      const run = map.runAt(offset + done, from.length - done);
      if (isPromise(run) || run.kind !== 'data' || !run.isCopied) return done;
      const written = data.write(run.offset, from.subarray(done, done + run.length));
      // Of a file that is not written at once it is not known when.
      if (isPromise(written)) throw unsupportedError('direct I/O');
      done += run.length;
    }
    return from.length;
  }

  /** How a cluster is compressed for `writeCompressed`, and whether it can be. */
  get packing(): {
    readonly clusterBytes: number;
    readonly compression: CompressionType;
    readonly isPossible: boolean;
  } {
    const { data, file, geometry, header } = this.#parts;
    return { clusterBytes: geometry.clusterBytes, compression: header.compression, isPossible: data === file };
  }

  /** Writes a whole cluster, or the last one that goes on behind the end with zeros, by what was made of it. */
  writeCompressed(offset: number, packed: Uint8Array): Settled<void> {
    const { clusterBytes } = this.#parts.geometry;
    const length = Math.min(clusterBytes, this.sizeBytes - offset);
    this.check('write', offset, length);
    assert(offset % clusterBytes === 0, 'a cluster is compressed as a whole');
    this.#parts.marks?.mark(offset, length);
    return this.#alone(() => this.#parts.writer.writeCompressed(offset, packed));
  }

  trim(offset: number, length: number, _durable: boolean): Settled<void> {
    this.check('trim', offset, length);
    this.#parts.marks?.mark(offset, length);
    if (length > 0) return this.#alone(() => this.#zero(offset, length, false));
  }

  zero(offset: number, length: number, mode: ZeroMode, _durable: boolean): Settled<void> {
    this.check('zero', offset, length);
    this.#parts.marks?.mark(offset, length);
    if (length > 0) return this.#alone(() => this.#zero(offset, length, mode === 'keep-allocated'));
  }

  async #zero(start: number, length: number, keeps: boolean): Promise<void> {
    const { clusterBytes } = this.#parts.geometry;
    // As QEMU: where all around it in its cluster reads as zeros, the whole cluster is to.
    const [first, last] = [
      alignDown(start, clusterBytes),
      Math.min(this.sizeBytes, alignUp(start + length, clusterBytes)),
    ];
    const offset = (await this.#isZero(first, start)) ? first : start;
    const end = (await this.#isZero(start + length, last)) ? last : start + length;
    const from = alignUp(offset, clusterBytes);
    // The last cluster of an image is whole where all that the image has of it is.
    const to = end === this.sizeBytes ? alignUp(end, clusterBytes) : alignDown(end, clusterBytes);
    if (to <= from) return await this.#zeroEdge(offset, end);
    await this.#zeroEdge(offset, from);
    await this.#parts.writer.zero(from, to - from, keeps);
    await this.#zeroEdge(Math.min(to, end), end);
  }

  async #isZero(from: number, to: number): Promise<boolean> {
    if (from === to) return true;
    const found = await this.reader.extents(from, to - from, mostAround);
    const last = found.at(-1)!;
    return last.offset + last.length === to && found.every(({ state }) => state !== 'data');
  }

  async #zeroEdge(from: number, to: number): Promise<void> {
    if (to <= from) return;
    const run = await this.#parts.map.runAt(from, to - from);
    const isZero = run.kind === 'zero' || (run.kind === 'none' && this.reader.isNothing(from));
    if (isZero && run.length === to - from) return;
    await this.#parts.writer.write(from, zeros.subarray(0, to - from));
  }

  flush(): Settled<void> {
    this.checkOpen('flush');
    const { refcounts, tables } = this.#parts;
    if (tables.isDirty || refcounts.isDirty || refcounts.hasDropped) return this.#alone(() => this.#writeBack());
    // What changes the tables now was not completed before.
    return this.inFlight.track(this.#syncData());
  }

  async #syncData(): Promise<void> {
    const { data, file } = this.#parts;
    await data.sync();
    if (data !== file) await file.sync();
  }

  /** Refcounts before what refers to clusters, and both before others get what is not referred to any more. */
  async #writeBack(): Promise<void> {
    const { file, refcounts, tables } = this.#parts;
    await refcounts.write();
    await this.#syncData();
    if (tables.isDirty) {
      await tables.write();
      await file.sync();
    }
    if (!refcounts.hasDropped) return;
    const before = this.#reads;
    this.#reads = new InFlight();
    await before.idle();
    const free = await refcounts.settle();
    for (const offset of free) tables.forget(offset);
    await giveBack(file, free, refcounts.clusterBytes);
  }

  /** One behind the other, and behind each of them what is too much to keep is written. One that nobody is before may be done at once. */
  #alone(change: () => Settled<void>): Settled<void> {
    const run = (): Settled<void> => andThen(change(), () => this.#relieve());
    if (this.#waiting > 0) return this.#behind(this.#last.then(run));
    const done = run();
    if (isPromise(done)) return this.#behind(done);
  }

  #behind(done: Promise<void>): Settled<void> {
    this.#waiting += 1;
    const settled = (): void => {
      this.#waiting -= 1;
    };
    this.#last = done.then(settled, settled);
    return this.inFlight.track(done);
  }

  #relieve(): Settled<void> {
    const { refcounts, tables } = this.#parts;
    if (tables.isPressed || refcounts.isPressed) return this.#writeBack();
  }

  /** Each cluster has a place from then on, and its room where that is asked for. */
  preallocate(reserves: boolean): Settled<void> {
    const bytes = alignUp(this.sizeBytes, this.#parts.geometry.clusterBytes);
    return this.#alone(() => this.#parts.writer.preallocate(0, bytes, reserves));
  }

  /** Nothing of it is its own any more, and the room of what was is given back. Nothing else may be under way. */
  async empty(): Promise<void> {
    const { data, file, geometry, writer } = this.#parts;
    const span = tableSpan(geometry);
    for (let at = 0; at < this.sizeBytes; at += span) {
      const places: number[] = [];
      await this.#alone(async () => void places.push(...(await writer.discard(at, span))));
      if (places.length === 0) continue;
      // What is in the image itself is given back by that.
      await this.flush();
      if (data !== file) await giveBack(data, places, geometry.clusterBytes);
    }
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  /** `room`: what becomes of clusters that are added. Fails with `unsupported` for images of compatibility 0.10 with snapshots, and for bitmaps that are worth nothing, and `invalid`. */
  resize(sizeBytes: number, room: GrownRoom = 'off'): Settled<void> {
    this.checkOpen('resize');
    checkSize(this, sizeBytes);
    const parts = {
      ...this.#parts,
      writeBack: () => this.#writeBack(),
      zeroEdge: (from: number, to: number) => this.#zeroEdge(from, to),
    };
    const { marks, refcounts } = parts;
    refuseResize(parts);
    marks?.refuseResize(sizeBytes);
    const change = async (): Promise<void> => {
      if (sizeBytes > this.size) await growImage(parts, this.size, sizeBytes, room);
      else await shrinkImage(parts, this.size, sizeBytes);
      this.size = sizeBytes;
    };
    return this.#alone(() => {
      if (sizeBytes === this.size) return;
      return marks === undefined ? change() : marks.resize(sizeBytes, refcounts, change);
    });
  }

  close(): Settled<void> {
    return this.end(async () => {
      try {
        await this.#writeBack();
        if (this.#parts.marks !== undefined) {
          await this.#parts.marks.store(this.#parts.refcounts);
          await this.#writeBack();
        }
        // What is free by that is on disk as well.
        await this.#parts.refcounts.write();
      } finally {
        await this.#parts.closed();
      }
    });
  }
}
