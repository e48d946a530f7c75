import { andThen, AshlarError, MiB, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { ClusterCache } from '../cluster-cache.ts';
import type { Qcow2Header } from '../header.ts';
import { putRefcount, refcountAt } from '../refcount-block.ts';
import { tableAt } from '../stored.ts';

const cacheBytes = 4 * MiB;
const blockReserved = 0x1ffn;

/** The refcounts of an image as they are on disk, whatever is wrong with them: where a block is not, they are 0. */
export class StoredRefcounts {
  readonly clusterBytes: number;
  readonly bits: number;
  /** Refcounts in a block. */
  readonly each: number;
  /** Entries of the table. */
  readonly entries: readonly bigint[];
  readonly #file: HostFile;
  readonly #fileBytes: number;
  readonly #cache: ClusterCache;
  /** The block that was looked at last: most are asked for one behind the other. */
  #last: { readonly index: number; readonly block: Buffer | undefined } | undefined;

  private constructor(file: HostFile, header: Qcow2Header, table: Buffer) {
    this.clusterBytes = 2 ** header.clusterBits;
    this.bits = 2 ** header.refcountOrder;
    this.each = (this.clusterBytes * 8) / this.bits;
    this.#file = file;
    this.#fileBytes = file.size();
    this.#cache = new ClusterCache(file, this.clusterBytes, cacheBytes);
    this.entries = Array.from({ length: table.length / 8 }, (_, index) => table.readBigUInt64BE(index * 8));
  }

  static async read(file: HostFile, header: Qcow2Header, path: string): Promise<StoredRefcounts> {
    const bytes = header.refcountTableClusters * 2 ** header.clusterBits;
    return new StoredRefcounts(file, header, await tableAt(file, header.refcountTableOffset, bytes, path));
  }

  /** Where a block of them is; 0: there is none that could be read. */
  placeOf(index: number): number {
    const entry = this.entries[index] ?? 0n;
    if ((entry & blockReserved) !== 0n || entry > BigInt(Number.MAX_SAFE_INTEGER)) return 0;
    const place = Number(entry);
    return place % this.clusterBytes === 0 && place < this.#fileBytes ? place : 0;
  }

  /** A block of them; nothing where all of them are 0. */
  async block(index: number): Promise<Buffer | undefined> {
    const place = this.placeOf(index);
    return place === 0 ? undefined : await this.#cache.at(place);
  }

  at(cluster: number): Settled<number> {
    const index = Math.floor(cluster / this.each);
    if (this.#last?.index === index) return this.#in(this.#last.block, cluster);
    return andThen(this.block(index), (block) => {
      this.#last = { index, block };
      return this.#in(block, cluster);
    });
  }

  #in(block: Buffer | undefined, cluster: number): number {
    return block === undefined ? 0 : refcountAt(block, cluster % this.each, this.bits);
  }

  /** Of a cluster that has a block: it is there as soon as that is written. */
  async put(cluster: number, count: number): Promise<void> {
    const index = Math.floor(cluster / this.each);
    this.#last = undefined;
    const block = await this.block(index);
    if (block === undefined) throw new AshlarError('corrupt', `the refcount of cluster ${cluster} has no place`);
    putRefcount(block, cluster % this.each, this.bits, count);
    this.#cache.changed(this.placeOf(index));
    if (this.#cache.isPressed) await this.#cache.write();
  }

  async write(): Promise<void> {
    await this.#cache.write();
    await this.#file.sync();
  }
}
