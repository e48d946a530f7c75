import { AshlarError, isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { ReferenceCounts } from '../check/reference-counts.ts';
import { StoredRefcounts } from '../check/stored-refcounts.ts';
import { writeRefcounts } from '../check/write-refcounts.ts';
import { Entries, putTableOffset, tableOffsetAt, type Entry } from '../entry.ts';
import { geometryOf, type Geometry } from '../geometry.ts';
import { giveBack } from '../give-back.ts';
import type { Qcow2Header } from '../header.ts';
import { refcountAt } from '../refcount-block.ts';
import { writeHeaderFields, type HeaderFields } from '../stored.ts';

/** Between two looks at whatever else the process does. */
const pauseEvery = 64;

/**
 * A change of an image's tables that is there whole or not at all: what changes is written where nobody has anything, refcounts too, and one write of
 * the header's sector names all of it. What was there until then is free from then on.
 */
export class MetadataChange {
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #geometry: Geometry;
  readonly #entries: Entries;
  readonly #counts: ReferenceCounts;
  readonly #stored: StoredRefcounts;
  /** Of the file when it was opened: nothing on disk refers to what lies behind them. */
  readonly #clusters: number;

  private constructor(file: HostFile, header: Qcow2Header, stored: StoredRefcounts) {
    this.#file = file;
    this.#header = header;
    this.#geometry = geometryOf(header);
    this.#entries = new Entries(this.#geometry, header.version, false);
    this.#stored = stored;
    this.#clusters = Math.ceil(file.size() / stored.clusterBytes);
    this.#counts = new ReferenceCounts(this.#clusters, stored.clusterBytes, stored.bits, file.path);
  }

  static async begin(file: HostFile, header: Qcow2Header): Promise<MetadataChange> {
    const stored = await StoredRefcounts.read(file, header, file.path);
    const change = new MetadataChange(file, header, stored);
    await change.#load();
    return change;
  }

  async #load(): Promise<void> {
    const { bits, each } = this.#stored;
    for (let index = 0; index * each < this.#clusters; index += 1) {
      const block = await this.#stored.block(index);
      if (block === undefined) continue;
      for (let at = 0; at < each && index * each + at < this.#clusters; at += 1) {
        this.#counts.set(index * each + at, refcountAt(block, at, bits));
      }
    }
  }

  /** One more, or one less, refers to the tables of an L1 table, and to all that they have. Fails with `corrupt`, and `invalid` where refcounts are too small. */
  async refer(l1: Buffer, by: 1 | -1): Promise<void> {
    const seen = new Set<number>();
    for (let index = 0; index * 8 < l1.length; index += 1) {
      const place = tableOffsetAt(l1, index);
      if (place === 0) continue;
      // Each is read once: it costs no more than the file is long.
      if (seen.has(place)) throw this.#broken(`one table in two places, at ${place}`);
      seen.add(place);
      const table = await this.#tableAt(place);
      for (let at = 0; at < this.#geometry.l2Entries; at += 1) {
        const { compressedBytes, offset } = this.#entries.at(table, at);
        if (offset >= 0) this.#count(offset, compressedBytes > 0 ? compressedBytes : 1, by);
      }
      this.#count(place, 1, by);
      if (index % pauseEvery === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Nobody refers to these bytes any more, when the header is written. */
  drop(offset: number, bytes: number): void {
    if (bytes > 0) this.#count(offset, bytes, -1);
  }

  /** Writes a table to a place of its own. Gives where; 0 for one of no bytes. */
  async put(table: Uint8Array): Promise<number> {
    if (table.length === 0) return 0;
    const { clusterBytes } = this.#geometry;
    const bytes = Buffer.alloc(Math.ceil(table.length / clusterBytes) * clusterBytes);
    bytes.set(table);
    const place = this.#counts.take(bytes.length / clusterBytes);
    const written = this.#file.write(place, bytes);
    if (isPromise(written)) await written;
    return place;
  }

  /**
   * What the image itself has says rightly what only one refers to: `l1` is changed, L2 tables for which that is not true are copied. A copy takes the
   * place of the table for `sharers`, who all have it by `l1`.
   */
  async setFlags(l1: Buffer, sharers: number): Promise<void> {
    const { clusterBytes } = this.#geometry;
    for (let index = 0; index * 8 < l1.length; index += 1) {
      const place = tableOffsetAt(l1, index);
      if (place === 0) continue;
      const table = Buffer.from(await this.#tableAt(place));
      let now = place;
      if (this.#setFlagsOf(table)) {
        now = await this.put(table);
        this.#count(now, 1, sharers - 1);
        this.#count(place, 1, -sharers);
      }
      putTableOffset(l1, index, now, this.#counts.at(now / clusterBytes) === 1);
    }
  }

  /** Gives whether one of them was wrong. */
  #setFlagsOf(table: Buffer): boolean {
    let isChanged = false;
    for (let at = 0; at < this.#geometry.l2Entries; at += 1) {
      const entry: Entry = this.#entries.at(table, at);
      if (entry.offset < 0 || entry.compressedBytes > 0) continue;
      const cluster = entry.offset / this.#geometry.clusterBytes;
      if (!Number.isInteger(cluster)) throw this.#broken(`a cluster at ${entry.offset}`);
      const isCopied = this.#counts.at(cluster) === 1;
      if (isCopied === entry.isCopied) continue;
      this.#entries.put(table, at, { ...entry, isCopied });
      isChanged = true;
    }
    return isChanged;
  }

  /** All of it is there, and durable, when it settles. */
  async commit(fields: HeaderFields): Promise<void> {
    const { refcountTableClusters, refcountTableOffset, version } = this.#header;
    const { clusterBytes } = this.#geometry;
    this.drop(refcountTableOffset, refcountTableClusters * clusterBytes);
    for (const index of this.#stored.entries.keys()) {
      const place = this.#stored.placeOf(index);
      if (place !== 0) this.drop(place, clusterBytes);
    }
    const refcounts = await writeRefcounts(this.#file, this.#counts);
    await writeHeaderFields(this.#file, version, { ...fields, ...refcounts });
    await giveBack(this.#file, this.#counts.held(), clusterBytes);
  }

  async #tableAt(place: number): Promise<Buffer> {
    const { clusterBytes } = this.#geometry;
    if (place % clusterBytes !== 0 || place >= this.#clusters * clusterBytes) throw this.#broken(`a table at ${place}`);
    const table = Buffer.alloc(clusterBytes);
    const count = await this.#file.read(place, table);
    return table.fill(0, count);
  }

  #count(offset: number, bytes: number, by: number): void {
    const { clusterBytes } = this.#geometry;
    const first = Math.floor(offset / clusterBytes);
    const last = Math.floor((offset + bytes - 1) / clusterBytes);
    if (last >= this.#counts.clusters) throw this.#broken(`something at ${offset}, behind the end of the file`);
    for (let cluster = first; cluster <= last; cluster += 1) {
      const count = this.#counts.at(cluster) + by;
      if (count < 0) throw this.#broken(`a cluster that is not counted at ${offset}`);
      // It is read until the header names others.
      if (count === 0) this.#counts.hold(cluster * clusterBytes, clusterBytes);
      if (!this.#counts.add(cluster, by)) {
        throw new AshlarError(
          'invalid',
          `more would refer to one cluster of '${this.#file.path}' than its refcounts of ${this.#stored.bits} bits hold`,
          { path: this.#file.path },
        );
      }
    }
  }

  #broken(what: string): AshlarError {
    const { path } = this.#file;
    return new AshlarError(
      'corrupt',
      `'${path}' is damaged, it has ${what}: mend it with 'ashlar image check -r all'`,
      {
        path,
      },
    );
  }
}
