import { assert } from '@ashlar/core';
import type { Geometry } from './geometry.ts';

/**
 * Entries of L1 and L2 tables (QEMU, docs/interop/qcow2.txt, "Cluster mapping"), big endian u64:
 *
 *   L1: bits 9–55 the L2 table's offset · 63 its refcount is 1
 *   L2: bit 0 reads as zeros · bits 9–55 the cluster's offset · 62 compressed · 63 its refcount is 1
 *   compressed: bits 0–(x-1) the offset · bits x–61 further sectors of 512 bytes, x = 70 - cluster bits
 *   with subclusters a second u64: bits 0–31 a subcluster is allocated · 32–63 it reads as zeros
 */
const copiedHigh = 0x8000_0000;
const compressedHigh = 0x4000_0000;
const offsetHigh = 0x00ff_ffff;
const offsetLow = 0xffff_fe00;
const zeroLow = 1;
const high = 2 ** 32;
/** Of what goes for each subcluster, or for the one that a cluster is. */
export const allSubclusters = 0xffff_ffff;

/** Where the L2 table of an L1 entry lies; 0: there is none. */
export function tableOffsetAt(table: Buffer, index: number): number {
  const [upper, lower] = [table.readUInt32BE(index * 8), table.readUInt32BE(index * 8 + 4)];
  return (upper & offsetHigh) * high + ((lower & offsetLow) >>> 0);
}

/**
 * What an L2 entry says of a cluster. `offset` -1: it has no place. Of one with subclusters `allocated` and `zero` say it of each, of others they
 * are all ones or zeros.
 */
export type Entry = {
  readonly offset: number;
  /** Nobody else refers to it: it may be written in place. */
  readonly isCopied: boolean;
  /** Of the compressed bytes; 0: it is not compressed. */
  readonly compressedBytes: number;
  readonly allocated: number;
  readonly zero: number;
};

/** Whether that goes for one subcluster. */
export const bit = (bits: number, at: number): boolean => ((bits >>> at) & 1) === 1;

/** Reads and writes the entries of one image's L2 tables. */
export class Entries {
  readonly #geometry: Geometry;
  readonly #isExtended: boolean;
  /** Version 2 knows no zero flag. */
  readonly #hasZeros: boolean;
  readonly #hasDataFile: boolean;

  /** `hasDataFile`: data may lie at the beginning of another file, which in the image itself is the header's place. */
  constructor(geometry: Geometry, version: 2 | 3, hasDataFile: boolean) {
    this.#geometry = geometry;
    this.#hasDataFile = hasDataFile;
    this.#isExtended = geometry.subclusters > 1;
    this.#hasZeros = version >= 3;
  }

  /** Where a cluster lies that is not compressed; -1: nowhere. Without an object for it: some look at each of millions. */
  placeAt(table: Buffer, index: number): number {
    const from = index * this.#geometry.entryBytes;
    const [upper, lower] = [table.readUInt32BE(from), table.readUInt32BE(from + 4)];
    return (upper & compressedHigh) !== 0 ? -1 : this.placeIn(upper, lower);
  }

  isCopied(table: Buffer, index: number): boolean {
    return (table.readUInt32BE(index * this.#geometry.entryBytes) & copiedHigh) !== 0;
  }

  /** The same of the halves of an entry that is not compressed. */
  placeIn(upper: number, lower: number): number {
    const place = (upper & offsetHigh) * high + ((lower & offsetLow) >>> 0);
    return place !== 0 || (this.#hasDataFile && (upper & copiedHigh) !== 0) ? place : -1;
  }

  at(table: Buffer, index: number): Entry {
    const from = index * this.#geometry.entryBytes;
    const [upper, lower] = [table.readUInt32BE(from), table.readUInt32BE(from + 4)];
    if ((upper & compressedHigh) !== 0) return this.#compressed(upper, lower);
    const offset = this.placeIn(upper, lower);
    const isCopied = (upper & copiedHigh) !== 0;
    if (this.#isExtended) {
      const [zero, allocated] = [table.readUInt32BE(from + 8), table.readUInt32BE(from + 12)];
      return { offset, isCopied, compressedBytes: 0, allocated, zero };
    }
    if (this.#hasZeros && (lower & zeroLow) !== 0)
      return { offset, isCopied, compressedBytes: 0, allocated: 0, zero: allSubclusters };
    return { offset, isCopied, compressedBytes: 0, allocated: offset >= 0 ? allSubclusters : 0, zero: 0 };
  }

  #compressed(upper: number, lower: number): Entry {
    const bits = BigInt(upper & 0x3fff_ffff) * BigInt(high) + BigInt(lower);
    const offsetBits = BigInt(70 - this.#geometry.clusterBits);
    const offset = Number(bits & ((1n << offsetBits) - 1n));
    const sectors = Number(bits >> offsetBits) + 1;
    const compressedBytes = sectors * 512 - (offset % 512);
    return { offset, isCopied: false, compressedBytes, allocated: allSubclusters, zero: 0 };
  }

  /** A cluster that is not compressed. `offset` -1: it has no place. */
  put(table: Buffer, index: number, { offset, isCopied, allocated, zero }: Omit<Entry, 'compressedBytes'>): void {
    const from = index * this.#geometry.entryBytes;
    const place = Math.max(0, offset);
    assert(place % this.#geometry.clusterBytes === 0, 'a cluster begins at a multiple of its size');
    const isZero = !this.#isExtended && zero !== 0;
    assert(!isZero || this.#hasZeros, 'version 2 has no clusters of zeros');
    const copied = offset >= 0 && isCopied ? copiedHigh : 0;
    table.writeUInt32BE((Math.floor(place / high) | copied) >>> 0, from);
    table.writeUInt32BE(((place % high) | (isZero ? zeroLow : 0)) >>> 0, from + 4);
    if (!this.#isExtended) return;
    table.writeUInt32BE(zero >>> 0, from + 8);
    table.writeUInt32BE(allocated >>> 0, from + 12);
  }
}

/** An L1 entry: where a table lies that nobody else refers to, or may not be written. */
export function putTableOffset(table: Buffer, index: number, offset: number, isCopied: boolean): void {
  table.writeUInt32BE((Math.floor(offset / high) | (isCopied ? copiedHigh : 0)) >>> 0, index * 8);
  table.writeUInt32BE(offset % high, index * 8 + 4);
}

/** Whether the table of an L1 entry may be written in place. */
export function isTableCopied(table: Buffer, index: number): boolean {
  return (table.readUInt32BE(index * 8) & copiedHigh) !== 0;
}

/** The entry of a cluster whose compressed bytes lie there. */
export function compressedEntry({ clusterBits, entryBytes }: Geometry, offset: number, length: number): Buffer {
  const sectors = Math.floor((offset + length - 1) / 512) - Math.floor(offset / 512);
  const entry = Buffer.alloc(entryBytes);
  entry.writeBigUInt64BE((1n << 62n) | (BigInt(sectors) << BigInt(70 - clusterBits)) | BigInt(offset));
  return entry;
}
