import { alignDown, andThen, assert, isPromise, isZero, MiB, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ClusterReader } from './cluster-reader.ts';
import { allSubclusters as all, bit, compressedEntry, type Entry } from './entry.ts';
import { tableSpan, type Geometry } from './geometry.ts';
import { PackedRoom } from './packed-room.ts';
import type { Refcounts } from './refcounts.ts';
import type { OwnTable, Tables } from './tables.ts';

type WriterParts = {
  readonly geometry: Geometry;
  readonly data: HostFile;
  /** Data lies in a file of its own, where the guest has it. */
  readonly hasDataFile: boolean;
  /** Version 2 has none. */
  readonly hasZeros: boolean;
  readonly tables: Tables;
  readonly refcounts: Refcounts;
  readonly reader: ClusterReader;
};

/** Of a cluster or a part of one; the largest are as long. Nobody writes to it. */
export const zeros: Uint8Array = new Uint8Array(2 * MiB);

/** Clusters of one table that follow each other, for which one place is needed. */
type Span = { readonly own: OwnTable; readonly index: number; readonly clusters: number };

/** `isVirgin`: it reads as zeros until it is written. */
type Place = { readonly offset: number; readonly isVirgin: boolean };

/** Writes what needs a place, or another one than it has. One operation at a time. */
export class ClusterWriter {
  readonly #parts: WriterParts;
  readonly #clusterBytes: number;
  readonly #isExtended: boolean;
  readonly #packed: PackedRoom;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#packed = new PackedRoom(parts.refcounts);
    this.#clusterBytes = parts.geometry.clusterBytes;
    this.#isExtended = parts.geometry.subclusters > 1;
  }

  /** At once where all that it needs to know is in memory. */
  write(offset: number, from: Uint8Array): Settled<void> {
    for (let done = 0; done < from.length;) {
      const count = this.#writeSome(offset + done, from.subarray(done));
      if (isPromise(count)) {
        const before = done;
        return count.then((more) => this.write(offset + before + more, from.subarray(before + more)));
      }
      done += count;
    }
  }

  /** Gives how much of it is written. */
  #writeSome(offset: number, from: Uint8Array): Settled<number> {
    const { geometry, tables } = this.#parts;
    return andThen(tables.own(Math.floor(offset / tableSpan(geometry))), (own) => this.#writeIn(own, offset, from));
  }

  #writeIn(own: OwnTable, offset: number, from: Uint8Array): Settled<number> {
    const { geometry, tables } = this.#parts;
    const index = this.#indexOf(offset);
    const entry = tables.entryAt(own, index);
    const within = offset % this.#clusterBytes;
    const inOne = from.subarray(0, Math.min(from.length, this.#clusterBytes - within));
    if (this.#isExtended) {
      return this.#writeSubclusters(own, index, entry, offset, inOne).then(() => inOne.length);
    }
    if (isPlain(entry)) return andThen(this.#put(entry.offset + within, [inOne]), () => inOne.length);
    const most = Math.min(geometry.l2Entries - index, Math.ceil((within + from.length) / this.#clusterBytes));
    let clusters = 1;
    // What has a place that is as good as a new one is done alone.
    if (!isReusable(entry)) {
      while (clusters < most && needsPlace(tables.entryAt(own, index + clusters))) clusters += 1;
    }
    const part = from.subarray(0, Math.min(from.length, clusters * this.#clusterBytes - within));
    return andThen(this.#writeAnew({ own, index, clusters }, offset, part), () => part.length);
  }

  /** Writes clusters to a new place, with what they had around `from`. */
  #writeAnew({ own, index, clusters }: Span, offset: number, from: Uint8Array): Settled<void> {
    const { tables } = this.#parts;
    const start = alignDown(offset, this.#clusterBytes);
    const rest = offset + from.length;
    const end = start + clusters * this.#clusterBytes;
    const old = Array.from({ length: clusters }, (_, at) => tables.entryAt(own, index + at));
    const [first] = old;
    assert(first !== undefined, 'at least one cluster is written');
    const taken = isReusable(first) ? { offset: first.offset, isVirgin: false } : this.#take(start, clusters);
    return andThen(taken, (place) =>
      andThen(this.#before(first, start, offset - start, place.isVirgin), (head) =>
        andThen(this.#before(old.at(-1)!, rest, end - rest, place.isVirgin), (tail) => {
          const parts = [head, from, tail].filter((part) => part !== undefined);
          const skipped = head === undefined ? offset - start : 0;
          return andThen(this.#put(place.offset + skipped, parts), () => {
            for (const [at, entry] of old.entries()) {
              const next = place.offset + at * this.#clusterBytes;
              tables.put(own, index + at, { offset: next, isCopied: true, allocated: all, zero: 0 });
              if (entry.offset !== next) this.#drop(entry);
            }
          });
        }),
      ),
    );
  }

  /** What some bytes of a cluster were, which its entry says; nothing where that is zeros, and so is the place that they come to. */
  #before(entry: Entry, offset: number, length: number, isVirgin: boolean): Settled<Uint8Array | undefined> {
    if (length === 0) return undefined;
    if (this.#readsZeros(entry, offset)) return isVirgin ? undefined : zeros.subarray(0, length);
    const bytes = new Uint8Array(length);
    // A hole of the file is zeros as well.
    return andThen(this.#parts.reader.read(offset, bytes), () => (isVirgin && isZero(bytes) ? undefined : bytes));
  }

  /** Without a look at what is behind it. */
  #readsZeros({ allocated, compressedBytes, zero }: Entry, offset: number): boolean {
    return (
      compressedBytes === 0 && (zero === all || (allocated === 0 && zero === 0 && this.#parts.reader.isNothing(offset)))
    );
  }

  #take(start: number, clusters: number): Settled<Place> {
    const { hasDataFile, refcounts } = this.#parts;
    // QEMU lets data lie there where the guest has it, so that the file is a raw image.
    if (hasDataFile) return { offset: start, isVirgin: false };
    const virginFrom = refcounts.virginFrom;
    return andThen(refcounts.take(clusters), (offset) => ({ offset, isVirgin: offset >= virginFrom }));
  }

  /** The part of one cluster with subclusters. */
  async #writeSubclusters(own: OwnTable, index: number, entry: Entry, offset: number, from: Uint8Array): Promise<void> {
    const { geometry, reader, tables } = this.#parts;
    const { subclusterBytes } = geometry;
    const start = alignDown(offset, this.#clusterBytes);
    const within = offset - start;
    let first = Math.floor(within / subclusterBytes);
    let last = Math.floor((within + from.length - 1) / subclusterBytes);
    const keeps = entry.compressedBytes === 0 && entry.offset >= 0 && entry.isCopied;
    const place = keeps ? { offset: entry.offset, isVirgin: false } : await this.#take(start, 1);
    let { allocated, zero } = entry;
    if (!keeps) {
      // What lies in the old place goes along.
      if (entry.compressedBytes > 0) [first, last] = [0, geometry.subclusters - 1];
      for (let at = 0; entry.compressedBytes === 0 && at < geometry.subclusters; at += 1) {
        if (!bit(allocated, at)) continue;
        [first, last] = [Math.min(first, at), Math.max(last, at)];
      }
      allocated = 0;
    }
    // Between them whole subclusters are written, and of the others what is data stays.
    const from0 = first * subclusterBytes;
    const to = (last + 1) * subclusterBytes;
    const bytes = new Uint8Array(to - from0);
    const needsOld = from0 < within || to > within + from.length;
    if (needsOld) {
      const read = reader.read(start + from0, bytes);
      if (isPromise(read)) await read;
    }
    bytes.set(from, within - from0);
    await this.#put(place.offset + from0, [bytes]);
    for (let at = first; at <= last; at += 1) {
      allocated |= 1 << at;
      zero &= ~(1 << at);
    }
    tables.put(own, index, { offset: place.offset, isCopied: true, allocated: allocated >>> 0, zero: zero >>> 0 });
    if (!keeps) this.#drop(entry);
  }

  /** A whole cluster, by what was made of it. */
  async writeCompressed(offset: number, packed: Uint8Array): Promise<void> {
    const { geometry, hasDataFile, tables } = this.#parts;
    assert(!hasDataFile && packed.length < this.#clusterBytes, 'it lies in the image, and is less than a cluster');
    const own = await tables.own(Math.floor(offset / tableSpan(geometry)));
    const index = this.#indexOf(offset);
    const before = tables.entryAt(own, index);
    const place = await this.#packed.take(packed.length);
    await this.#put(place, [packed]);
    tables.putBytes(own, index, compressedEntry(geometry, place, packed.length));
    this.#drop(before);
  }

  /** Whole clusters read as zeros. `keeps`: those that have a place keep it. */
  async zero(offset: number, length: number, keeps: boolean): Promise<void> {
    const { data, geometry, hasDataFile, tables } = this.#parts;
    const span = tableSpan(geometry);
    // A file of data may be read as the raw image that it is.
    const zeroing = hasDataFile ? data.zeroRange(offset, length) : undefined;
    if (isPromise(zeroing)) await zeroing;
    for (let at = offset; at < offset + length;) {
      const table = Math.floor(at / span);
      const end = Math.min(offset + length, (table + 1) * span);
      if (!tables.has(table) && this.#parts.reader.isNothing(at) && !keeps) {
        at = end;
        continue;
      }
      const own = await tables.own(table);
      for (; at < end; at += this.#clusterBytes) await this.#zeroCluster(own, at, keeps);
    }
  }

  async #zeroCluster(own: OwnTable, offset: number, keeps: boolean): Promise<void> {
    const { hasZeros, reader, tables } = this.#parts;
    const index = this.#indexOf(offset);
    const entry = tables.entryAt(own, index);
    const isNothing = reader.isNothing(offset);
    if (keeps && entry.compressedBytes === 0 && entry.offset >= 0 && entry.isCopied && hasZeros) {
      tables.put(own, index, { offset: entry.offset, isCopied: true, allocated: 0, zero: all });
      return;
    }
    if (keeps || (!hasZeros && !isNothing)) return await this.#writeZeros(own, index, entry, offset);
    if (entry.offset < 0 && entry.zero === 0 && entry.allocated === 0 && isNothing) return;
    tables.put(own, index, {
      offset: -1,
      isCopied: false,
      allocated: 0,
      zero: isNothing && !this.#isExtended ? 0 : hasZeros ? all : 0,
    });
    this.#drop(entry);
  }

  /** In a place that it has from then on. */
  async #writeZeros(own: OwnTable, index: number, entry: Entry, offset: number): Promise<void> {
    const { data, hasZeros, tables } = this.#parts;
    const place = isPlain(entry) ? { offset: entry.offset, isVirgin: false } : await this.#take(offset, 1);
    const allocating = data.allocate(place.offset, this.#clusterBytes);
    if (isPromise(allocating)) await allocating;
    if (!hasZeros) await this.#put(place.offset, [zeros.subarray(0, this.#clusterBytes)]);
    const state = hasZeros ? { allocated: 0, zero: all } : { allocated: all, zero: 0 };
    tables.put(own, index, { offset: place.offset, isCopied: true, ...state });
    if (entry.offset !== place.offset) this.#drop(entry);
  }

  /** Gives each cluster that has none a place, in which it reads as zeros. `reserves`: the room as well. */
  async preallocate(offset: number, length: number, reserves: boolean): Promise<void> {
    const { data, geometry, tables } = this.#parts;
    for (let at = offset; at < offset + length;) {
      const own = await tables.own(Math.floor(at / tableSpan(geometry)));
      const index = this.#indexOf(at);
      const most = Math.min(geometry.l2Entries - index, Math.ceil((offset + length - at) / this.#clusterBytes));
      const { zero } = tables.entryAt(own, index);
      const isNext = (entry: Entry): boolean => entry.offset < 0 && entry.zero === zero;
      let clusters = 0;
      while (clusters < most && isNext(tables.entryAt(own, index + clusters))) clusters += 1;
      if (clusters === 0) {
        at += this.#clusterBytes;
        continue;
      }
      const place = await this.#take(at, clusters);
      const bytes = clusters * this.#clusterBytes;
      if (reserves) await data.allocate(place.offset, bytes);
      else if (data.size() < place.offset + bytes) data.truncate(place.offset + bytes);
      const state = await this.#emptyState(place, bytes, zero);
      for (let next = 0; next < clusters; next += 1) {
        tables.put(own, index + next, { offset: place.offset + next * this.#clusterBytes, isCopied: true, ...state });
      }
      at += bytes;
    }
  }

  /** What entries say of places in which there is nothing yet, such that they read as before: `zero`, or as nothing. */
  async #emptyState(place: Place, bytes: number, zero: number): Promise<Pick<Entry, 'allocated' | 'zero'>> {
    const { hasDataFile, hasZeros } = this.#parts;
    // As QEMU: subclusters are data when they are written.
    if (this.#isExtended) return { allocated: 0, zero };
    if (hasZeros && (zero !== 0 || !(place.isVirgin || hasDataFile))) return { allocated: 0, zero: all };
    if (!place.isVirgin && !hasDataFile) {
      for (let at = 0; at < bytes; at += this.#clusterBytes) {
        await this.#put(place.offset + at, [zeros.subarray(0, this.#clusterBytes)]);
      }
    }
    return { allocated: all, zero: 0 };
  }

  /** Whole clusters that nobody reads any more lose what they have. Gives the places that were their own. */
  async discard(offset: number, length: number): Promise<number[]> {
    const { geometry, tables } = this.#parts;
    const span = tableSpan(geometry);
    const places: number[] = [];
    for (let at = offset; at < offset + length;) {
      const table = Math.floor(at / span);
      const end = Math.min(offset + length, (table + 1) * span);
      if (!tables.has(table)) {
        at = end;
        continue;
      }
      const own = await tables.own(table);
      for (; at < end; at += this.#clusterBytes) {
        const entry = tables.entryAt(own, this.#indexOf(at));
        tables.put(own, this.#indexOf(at), { offset: -1, isCopied: false, allocated: 0, zero: 0 });
        this.#drop(entry);
        if (entry.offset >= 0) places.push(alignDown(entry.offset, this.#clusterBytes));
      }
    }
    return places;
  }

  #drop(entry: Entry): void {
    const { hasDataFile, reader, refcounts } = this.#parts;
    if (entry.offset < 0 || hasDataFile) return;
    if (entry.compressedBytes === 0) return refcounts.drop(entry.offset, 1);
    const first = Math.floor(entry.offset / this.#clusterBytes);
    const last = Math.floor((entry.offset + entry.compressedBytes - 1) / this.#clusterBytes);
    refcounts.drop(first * this.#clusterBytes, last - first + 1);
    this.#packed.dropped(first * this.#clusterBytes, last - first + 1);
    reader.forgetUnpacked();
  }

  #indexOf(offset: number): number {
    return Math.floor(offset / this.#clusterBytes) % this.#parts.geometry.l2Entries;
  }

  #put(offset: number, parts: readonly Uint8Array[]): Settled<void> {
    return this.#parts.data.writeMany(offset, parts);
  }
}

/** It can be written where it lies. */
const isPlain = ({ allocated, compressedBytes, isCopied, offset }: Entry): boolean =>
  offset >= 0 && isCopied && compressedBytes === 0 && allocated === all;

/** It reads as zeros, and has a place of its own. */
const isReusable = ({ allocated, compressedBytes, isCopied, offset }: Entry): boolean =>
  offset >= 0 && isCopied && compressedBytes === 0 && allocated === 0;

const needsPlace = (entry: Entry): boolean => !isPlain(entry) && !isReusable(entry);
