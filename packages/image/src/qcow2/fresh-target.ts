import { assert, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { FilePlace } from '../copy/map.ts';
import { filePieceBytes, type CopyTarget } from '../copy/target.ts';
import { openLocked } from '../lock.ts';
import { allSubclusters } from './entry.ts';
import { tableSpan, type Geometry } from './geometry.ts';
import type { Qcow2Header } from './header.ts';
import { openLayer, openTables, type Qcow2Layer } from './open.ts';
import type { Refcounts } from './refcounts.ts';
import { readHeader } from './stored.ts';
import type { OwnTable, Tables } from './tables.ts';

/** What is written and where it lies in the file. */
type Place = { readonly offset: number; readonly from: number; to: number };

/**
 * An image that was made just now, and that nobody reads yet: places are given one behind the other, and written off the thread, several at once.
 * Tables are written when they are too many, and in the end.
 */
export class FreshTarget implements CopyTarget {
  readonly isZero: boolean;
  readonly unitBytes: number = 1;
  readonly pieceBytes: number = filePieceBytes;
  // Places are given in the order in which it is asked for them.
  readonly isOrdered = false;
  protected readonly layer: Qcow2Layer;
  protected readonly tables: Tables;
  protected readonly refcounts: Refcounts;
  #last: Promise<void> = Promise.resolve();

  constructor(layer: Qcow2Layer, header: Qcow2Header, tables: Tables, refcounts: Refcounts) {
    this.layer = layer;
    this.tables = tables;
    this.refcounts = refcounts;
    this.isZero = header.backingFile === undefined;
  }

  protected get geometry(): Geometry {
    return this.layer.geometry;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    const { data } = this.layer;
    await this.#atPlaces(offset, from.length, (place) =>
      data.writeOffThread(place.offset, from.subarray(place.from, place.to)),
    );
  }

  async copyFrom(source: FilePlace, offset: number, length: number): Promise<void> {
    const { data } = this.layer;
    await this.#atPlaces(offset, length, ({ offset: place, from, to }) =>
      data.copyFrom(source.file, source.offset + from, place, to - from),
    );
  }

  /** Fills the places that a range of the disk is given, several at once. */
  async #atPlaces(offset: number, length: number, fill: (place: Place) => Promise<unknown>): Promise<void> {
    await Promise.all((await this.alone(() => this.#placesFor(offset, length))).map(fill));
  }

  async #placesFor(offset: number, length: number): Promise<Place[]> {
    const { clusterBytes } = this.geometry;
    const places: Place[] = [];
    for (let done = 0; done < length;) {
      const { own, index } = await this.at(offset + done);
      const within = (offset + done) % clusterBytes;
      const entry = this.tables.entryAt(own, index);
      const most = Math.min(this.geometry.l2Entries - index, Math.ceil((within + length - done) / clusterBytes));
      const clusters = entry.offset >= 0 ? 1 : this.#missing(own, index, most);
      const first = entry.offset >= 0 ? entry.offset : await this.take(offset + done - within, clusters);
      const bytes = Math.min(length - done, clusters * clusterBytes - within);
      for (let at = 0; at < clusters; at += 1) {
        const begins = at === 0 ? within : 0;
        const ends = Math.min(clusterBytes, within + bytes - at * clusterBytes);
        this.#map(own, index + at, first + at * clusterBytes, begins, ends);
      }
      const last = places.at(-1);
      const place = first + within;
      if (last !== undefined && last.offset + last.to - last.from === place) last.to += bytes;
      else places.push({ offset: place, from: done, to: done + bytes });
      done += bytes;
    }
    return places;
  }

  /** How many clusters from there on have no place, `most` at most. */
  #missing(own: OwnTable, index: number, most: number): number {
    let found = 1;
    while (found < most && this.tables.entryAt(own, index + found).offset < 0) found += 1;
    return found;
  }

  /** The cluster has its place, and its bytes of [begins, ends) are data. */
  #map(own: OwnTable, index: number, offset: number, begins: number, ends: number): void {
    const { subclusterBytes, subclusters } = this.geometry;
    let { allocated } = this.tables.entryAt(own, index);
    if (subclusters === 1) allocated = allSubclusters;
    else {
      const last = Math.floor((ends - 1) / subclusterBytes);
      for (let at = Math.floor(begins / subclusterBytes); at <= last; at += 1) allocated |= 1 << at;
    }
    this.tables.put(own, index, { offset, isCopied: true, allocated: allocated >>> 0, zero: 0 });
  }

  protected async at(offset: number): Promise<{ readonly own: OwnTable; readonly index: number }> {
    const { clusterBytes, l2Entries } = this.geometry;
    const own = await this.tables.own(Math.floor(offset / tableSpan(this.geometry)));
    return { own, index: Math.floor(offset / clusterBytes) % l2Entries };
  }

  protected async take(offset: number, clusters: number): Promise<number> {
    const { data, file } = this.layer;
    // QEMU lets data lie there where the guest has it.
    return data === file ? await this.refcounts.take(clusters) : offset;
  }

  zero(_offset: number, _length: number): Settled<void> {
    assert(this.isZero, 'what has a backing file is written as a device');
  }

  /** One behind the other, and behind each of them tables are written where they are too many. */
  protected alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      const result = await change();
      if (this.tables.isPressed || this.refcounts.isPressed) await this.#writeTables();
      return result;
    });
    this.#last = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  async #writeTables(): Promise<void> {
    await this.refcounts.write();
    await this.tables.write();
    // A table of refcounts that was replaced by a larger one.
    if (this.refcounts.hasDropped) await this.refcounts.settle();
  }

  async finish(durable: boolean): Promise<void> {
    const { data, file } = this.layer;
    await this.alone(() => this.#writeTables());
    // What was given up meanwhile is counted down behind that, and is written as well.
    await this.alone(() => this.#writeTables());
    if (!durable) return;
    await file.sync();
    if (data !== file) await data.sync();
  }

  close(): void {
    const { data, file } = this.layer;
    file.close();
    if (data !== file) data.close();
  }
}

/** Opens an image without a backing file that was made just now, in which nothing is. */
export async function freshTarget(host: Host, path: string): Promise<FreshTarget> {
  return await openFresh(host, path, FreshTarget);
}

type Made<T> = new (layer: Qcow2Layer, header: Qcow2Header, tables: Tables, refcounts: Refcounts) => T;

export async function openFresh<T>(host: Host, path: string, Target: Made<T>): Promise<T> {
  const file = openLocked(host, path, 'write');
  try {
    const header = await readHeader(file, path);
    const layer = await openLayer(host, file, header, { followsFiles: true, readOnly: false });
    const { refcounts, tables } = await openTables(layer, header);
    return new Target(layer, header, tables, refcounts);
  } catch (error) {
    file.close();
    throw error;
  }
}
