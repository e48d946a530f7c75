import { alignUp, AshlarError, assert, MiB } from '@ashlar/core';
import { mostRefcount } from '../refcount-block.ts';

/** Counts of a file of 128 GiB in clusters of 512 bytes, or of 16 TiB in clusters of 64 KiB, with refcounts of 16 bits. */
const mostBytes = 512 * MiB;
/** What is written at first costs no new array for some time. */
const growth = 1.25;

type Counts = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/**
 * How many refer to each cluster of a file, in as few bytes as its refcounts take. Fails with `unsupported` where they are too many for memory: who
 * makes them knows it by the size of the file alone.
 */
export class ReferenceCounts {
  readonly clusterBytes: number;
  /** Of one refcount of the image. */
  readonly bits: number;
  readonly #most: number;
  readonly #path: string;
  #counts: Counts;
  /** Clusters whose bytes somebody still reads, though nobody refers to them any more: not to be taken. */
  readonly #held = new Set<number>();
  /** All of them are below this number. */
  #clusters: number;
  /** Nothing is free below it. */
  #next = 0;

  constructor(clusters: number, clusterBytes: number, bits: number, path: string) {
    this.clusterBytes = clusterBytes;
    this.bits = bits;
    this.#path = path;
    this.#most = Math.min(mostRefcount(bits), 2 ** 32 - 1);
    this.#clusters = clusters;
    this.#counts = this.#make(clusters);
  }

  get clusters(): number {
    return this.#clusters;
  }

  at(cluster: number): number {
    return cluster < this.#clusters ? this.#counts[cluster]! : 0;
  }

  set(cluster: number, count: number): void {
    assert(count >= 0 && count <= this.#most, 'a refcount fits its bits');
    this.#reach(cluster + 1);
    this.#counts[cluster] = count;
    if (count === 0 && !this.#held.has(cluster)) this.#next = Math.min(this.#next, cluster);
  }

  /** So many more refer to it. False where that is more than a refcount holds: then nothing changes. */
  add(cluster: number, by: number): boolean {
    const count = this.at(cluster) + by;
    assert(count >= 0, 'who is dropped was counted');
    if (count > this.#most) return false;
    this.set(cluster, count);
    return true;
  }

  /** The same for all clusters that some bytes lie in; false where one of them has too many. */
  addRange(offset: number, bytes: number, by: number): boolean {
    let fits = true;
    const last = Math.floor((offset + bytes - 1) / this.clusterBytes);
    for (let cluster = Math.floor(offset / this.clusterBytes); cluster <= last; cluster += 1) {
      if (!this.add(cluster, by)) fits = false;
    }
    return fits;
  }

  /** Nobody takes the clusters that these bytes lie in. */
  hold(offset: number, bytes: number): void {
    const last = Math.floor((offset + bytes - 1) / this.clusterBytes);
    for (let cluster = Math.floor(offset / this.clusterBytes); cluster <= last; cluster += 1) this.#held.add(cluster);
  }

  /** Where those begin that nobody took. */
  held(): number[] {
    return [...this.#held].filter((cluster) => this.at(cluster) === 0).map((cluster) => cluster * this.clusterBytes);
  }

  /** Takes so many free ones in a row, for one each. Gives where they begin. */
  take(clusters: number): number {
    assert(clusters > 0, 'somebody needs a cluster');
    let run = 0;
    let isFirst = true;
    for (let at = this.#next; ; at += 1) {
      const isFree = this.at(at) === 0 && !this.#held.has(at);
      if (isFree && isFirst) [this.#next, isFirst] = [at, false];
      run = isFree ? run + 1 : 0;
      if (run < clusters) continue;
      const first = at - clusters + 1;
      if (this.#next === first) this.#next = at + 1;
      for (let cluster = first; cluster <= at; cluster += 1) this.set(cluster, 1);
      return first * this.clusterBytes;
    }
  }

  /** Whether anybody refers to any of so many from one on. */
  hasAny(from: number, count: number): boolean {
    const end = Math.min(this.#clusters, from + count);
    for (let cluster = from; cluster < end; cluster += 1) if (this.#counts[cluster] !== 0) return true;
    return false;
  }

  #reach(clusters: number): void {
    if (clusters <= this.#clusters) return;
    if (clusters > this.#counts.length) {
      const more = this.#make(Math.floor(clusters * growth));
      more.set(this.#counts);
      this.#counts = more;
    }
    this.#clusters = clusters;
  }

  #make(clusters: number): Counts {
    const bytes = alignUp(clusters, 64) * (this.bits <= 8 ? 1 : this.bits === 16 ? 2 : 4);
    if (bytes > mostBytes) {
      throw new AshlarError(
        'unsupported',
        `'${this.#path}' has ${clusters} clusters: too many to be counted in memory`,
        {
          path: this.#path,
        },
      );
    }
    const memory = new ArrayBuffer(bytes);
    if (this.bits <= 8) return new Uint8Array(memory);
    return this.bits === 16 ? new Uint16Array(memory) : new Uint32Array(memory);
  }
}
