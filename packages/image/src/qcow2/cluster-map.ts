import { AshlarError, isPromise, type Settled } from '@ashlar/core';
import type { ClusterCache } from './cluster-cache.ts';
import { bit, Entries, tableOffsetAt, type Entry } from './entry.ts';
import { tableSpan, type Geometry } from './geometry.ts';
import type { L1Table } from './l1-table.ts';

/** What some bytes of an image, within one L2 table, are. */
export type Run = {
  /** `none`: the backing file's. `zero` may have a place all the same. */
  readonly kind: 'data' | 'compressed' | 'zero' | 'none';
  readonly length: number;
  /** Where data lies, or compressed bytes do; of zeros where their place is, or -1. */
  readonly offset: number;
  /** Of a compressed cluster: its bytes in the file. */
  readonly compressedBytes: number;
  /** Of data: it may be written where it lies. */
  readonly isCopied: boolean;
};

type MapParts = {
  readonly path: string;
  readonly geometry: Geometry;
  readonly version: 2 | 3;
  readonly hasDataFile: boolean;
  readonly cache: ClusterCache;
  readonly l1: L1Table;
};

/** Where the bytes of an image lie, by its tables or those of one of its snapshots. */
export class ClusterMap {
  readonly #parts: MapParts;
  readonly #entries: Entries;
  readonly #span: number;
  readonly #clusterBytes: number;
  readonly #l2Mask: number;

  constructor(parts: MapParts) {
    const { geometry, version, hasDataFile } = parts;
    this.#parts = parts;
    this.#entries = new Entries(geometry, version, hasDataFile);
    this.#span = tableSpan(geometry);
    this.#clusterBytes = geometry.clusterBytes;
    this.#l2Mask = geometry.l2Entries - 1;
  }

  /** What begins at an offset, at most so many bytes. Throws `corrupt` where a table is not what it must be. */
  runAt(offset: number, length: number): Settled<Run> {
    const index = Math.floor(offset / this.#span);
    const most = Math.min(length, (index + 1) * this.#span - offset);
    const table = this.table(index);
    if (table === undefined) return { kind: 'none', length: most, offset: -1, compressedBytes: 0, isCopied: false };
    return isPromise(table)
      ? table.then((found) => this.#runIn(found, offset, most))
      : this.#runIn(table, offset, most);
  }

  /** The L2 table of an entry of the L1 table; nothing where there is none. */
  table(index: number): Settled<Buffer> | undefined {
    const { cache, l1, path } = this.#parts;
    if (index * 8 >= l1.entries.length) return undefined;
    const offset = tableOffsetAt(l1.entries, index);
    if (offset === 0) return undefined;
    if (offset % this.#clusterBytes !== 0) {
      throw new AshlarError('corrupt', `an L2 table of '${path}' at ${offset} begins no cluster`, { path, offset });
    }
    return cache.at(offset);
  }

  #runIn(table: Buffer, offset: number, most: number): Run {
    const cluster = Math.floor(offset / this.#clusterBytes) & this.#l2Mask;
    const within = offset % this.#clusterBytes;
    const entry = this.#entries.at(table, cluster);
    const first = this.#runOf(entry, within, most);
    if (first.kind === 'compressed') return first;
    let { length } = first;
    // What goes on in the next cluster as it ends in this one.
    for (let next = cluster + 1; length < most && (within + length) % this.#clusterBytes === 0; next += 1) {
      const more = this.#runOf(this.#entries.at(table, next), 0, most - length);
      const isNext = first.offset < 0 ? more.offset < 0 : more.offset === first.offset + length;
      if (more.kind !== first.kind || more.isCopied !== first.isCopied || !isNext) break;
      length += more.length;
    }
    return { ...first, length };
  }

  /** What a cluster's entry says of its bytes from `within` on. */
  #runOf(entry: Entry, within: number, most: number): Run {
    const { path, geometry } = this.#parts;
    const { offset, isCopied, compressedBytes, allocated, zero } = entry;
    const whole = Math.min(most, this.#clusterBytes - within);
    if (compressedBytes > 0) return { kind: 'compressed', length: whole, offset, compressedBytes, isCopied };
    if (offset >= 0 && offset % this.#clusterBytes !== 0) {
      throw new AshlarError('corrupt', `data of '${path}' at ${offset} begins no cluster`, { path, offset });
    }
    if ((allocated & zero) !== 0 || (allocated !== 0 && offset < 0)) {
      throw new AshlarError(
        'corrupt',
        `an entry of '${path}' contradicts itself: some of it is data, and zeros or nowhere`,
        { path },
      );
    }
    const { subclusterBytes, subclusters } = geometry;
    if (subclusters === 1) {
      const kind = zero !== 0 ? 'zero' : allocated !== 0 ? 'data' : 'none';
      return { kind, length: whole, offset: offset < 0 ? -1 : offset + within, compressedBytes: 0, isCopied };
    }
    const from = Math.floor(within / subclusterBytes);
    const kindOf = (at: number): Run['kind'] => (bit(allocated, at) ? 'data' : bit(zero, at) ? 'zero' : 'none');
    const kind = kindOf(from);
    let end = from + 1;
    while (end < subclusters && kindOf(end) === kind) end += 1;
    const length = Math.min(whole, end * subclusterBytes - within);
    return { kind, length, offset: offset < 0 ? -1 : offset + within, compressedBytes: 0, isCopied };
  }
}
