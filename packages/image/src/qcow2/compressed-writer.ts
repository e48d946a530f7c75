import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { alignUp, KiB } from '@ashlar/core';
import { zstdCompressOffThread, type Host } from '@ashlar/host';
import { allSubclusters, compressedEntry } from './entry.ts';
import { FreshTarget, openFresh } from './fresh-target.ts';
import type { CompressionType, Qcow2Header } from './header.ts';
import type { Qcow2Layer } from './open.ts';
import { mostRefcount } from './refcount-block.ts';
import type { Refcounts } from './refcounts.ts';
import type { Tables } from './tables.ts';

const deflating = promisify(deflateRaw);

/** A window of 4 KiB: QEMU has no more when it reads. */
const deflateOptions = { windowBits: 12, memLevel: 9 };
/** What zstd itself takes where nobody says another, and QEMU with it. */
const zstdLevel = 3;

/** What is made of a cluster, on the thread pool; nothing where that is not less. `room`: for a cluster, to make it in. */
async function pack(type: CompressionType, cluster: Uint8Array, room: Uint8Array): Promise<Uint8Array | undefined> {
  if (type === 'zstd') {
    const length = await zstdCompressOffThread(cluster, room.subarray(0, cluster.length - 1), zstdLevel);
    return length < 0 ? undefined : room.subarray(0, length);
  }
  const packed = await deflating(cluster, { ...deflateOptions, chunkSize: Math.max(cluster.length, 1024) });
  return packed.length < cluster.length ? packed : undefined;
}

/**
 * An image that was made just now, and whose clusters are compressed, several at once, and lie one behind the other as QEMU packs them: a cluster of the file
 * has parts of several, and one may go on in the next. What does not become smaller is written as it is.
 */
export class CompressedTarget extends FreshTarget {
  override readonly unitBytes: number;
  /** Clusters of several requests are compressed at once. */
  override readonly pieceBytes = 64 * KiB;
  readonly #compression: CompressionType;
  readonly #hasZeros: boolean;
  readonly #mostShared: number;
  /** Where the next bytes go, inside a cluster of the file; 0: into a new one. */
  #next = 0;
  /** Memory for what is made of clusters: as much as was needed at once. */
  readonly #rooms: Uint8Array[] = [];

  constructor(layer: Qcow2Layer, header: Qcow2Header, tables: Tables, refcounts: Refcounts) {
    super(layer, header, tables, refcounts);
    this.unitBytes = layer.geometry.clusterBytes;
    this.#compression = header.compression;
    this.#hasZeros = header.version >= 3;
    this.#mostShared = mostRefcount(2 ** header.refcountOrder);
  }

  override async write(offset: number, from: Uint8Array): Promise<void> {
    const { unitBytes } = this;
    const writing: Promise<void>[] = [];
    for (let at = 0; at < from.length; at += unitBytes) {
      writing.push(this.#writeCluster(offset + at, from.subarray(at, at + unitBytes)));
    }
    await Promise.all(writing);
  }

  async #writeCluster(offset: number, from: Uint8Array): Promise<void> {
    const room = this.#rooms.pop() ?? new Uint8Array(this.unitBytes);
    const packed = await pack(this.#compression, whole(from, this.unitBytes), room);
    if (packed === undefined) await super.write(offset, from);
    else {
      const place = await this.alone(() => this.#placeFor(offset, packed.length));
      await this.layer.file.writeOffThread(place, packed);
    }
    this.#rooms.push(room);
  }

  async #placeFor(offset: number, length: number): Promise<number> {
    const { own, index } = await this.at(offset);
    const place = await this.#room(length);
    this.tables.putBytes(own, index, compressedEntry(this.geometry, place, length));
    return place;
  }

  /** Bytes behind those that were placed last, or at the beginning of a cluster. */
  async #room(length: number): Promise<number> {
    const { refcounts, unitBytes } = this;
    let place = this.#next;
    if (place > 0 && (await refcounts.countAt(place)) >= this.#mostShared) place = 0;
    const left = place === 0 ? 0 : alignUp(place, unitBytes) - place;
    if (left < length) {
      const cluster = await refcounts.take(1);
      if (place > 0 && place + left === cluster) await refcounts.share(place);
      else place = cluster;
    } else await refcounts.share(place);
    const end = place + length;
    this.#next = end % unitBytes === 0 ? 0 : end;
    return place;
  }

  override async zero(offset: number, length: number): Promise<void> {
    if (this.isZero) return;
    for (let at = offset; at < offset + length; at += this.unitBytes) {
      if (this.#hasZeros) await this.alone(() => this.#zeroCluster(at));
      else await this.#writeCluster(at, new Uint8Array(this.unitBytes));
    }
  }

  async #zeroCluster(offset: number): Promise<void> {
    const { own, index } = await this.at(offset);
    this.tables.put(own, index, { offset: -1, isCopied: false, allocated: 0, zero: allSubclusters });
  }
}

/** The last cluster of a disk may go on behind its end, with zeros. */
function whole(from: Uint8Array, clusterBytes: number): Uint8Array {
  if (from.length === clusterBytes) return from;
  const cluster = new Uint8Array(clusterBytes);
  cluster.set(from);
  return cluster;
}

/** Opens an image that was made just now, in which nothing is. */
export async function compressedTarget(host: Host, path: string): Promise<CompressedTarget> {
  return await openFresh(host, path, CompressedTarget);
}
