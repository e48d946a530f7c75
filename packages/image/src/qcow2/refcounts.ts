import { andThen, AshlarError, assert, isPromise, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ClusterCache } from './cluster-cache.ts';
import { mostRefcount, putRefcount, refcountAt } from './refcount-block.ts';

type RefcountParts = {
  readonly path: string;
  readonly file: HostFile;
  readonly clusterBytes: number;
  /** Of one refcount. */
  readonly bits: number;
  /** Of blocks of refcounts alone: they are written before what refers to what they count. */
  readonly cache: ClusterCache;
  /** Offsets of the blocks, 0 where there is none, and where that table lies. */
  readonly table: Buffer;
  readonly tableOffset: number;
  /** Bytes of the file when it was opened. */
  readonly fileBytes: number;
  /** The header names another table from now on: durable when it settles. */
  readonly moved: (offset: number, clusters: number) => Promise<void>;
};

/** The next table has room for so many more blocks. */
const growth = 1.5;

/**
 * Which clusters of an image's file are in use, and by how many. Who counts up writes it before what refers to the cluster; what is dropped is counted down
 * when nothing on disk refers to it any more. Whatever is cut off in between leaves clusters that nobody has, and none that two have. One change at a time.
 */
export class Refcounts {
  readonly #parts: RefcountParts;
  /** Refcounts in a block. */
  readonly #each: number;
  #table: Buffer;
  #tableOffset: number;
  /** Entries of the table that are not written. */
  readonly #changed = new Set<number>();
  /** Where the next ones are looked for. */
  #next = 0;
  /** From here on nothing was ever written: it reads as zeros. */
  #virgin: number;
  #dropped: { readonly first: number; readonly count: number }[] = [];

  constructor(parts: RefcountParts) {
    this.#parts = parts;
    this.#each = (parts.clusterBytes * 8) / parts.bits;
    this.#table = parts.table;
    this.#tableOffset = parts.tableOffset;
    this.#virgin = Math.ceil(parts.fileBytes / parts.clusterBytes);
  }

  get clusterBytes(): number {
    return this.#parts.clusterBytes;
  }

  /** How many may refer to one cluster. */
  get most(): number {
    return mostRefcount(this.#parts.bits);
  }

  /** Whether what lies there reads as zeros, since nobody ever wrote there. To be asked before it is taken. */
  get virginFrom(): number {
    return this.#virgin * this.#parts.clusterBytes;
  }

  /** How many refer to the cluster that an offset is in. */
  async countAt(offset: number): Promise<number> {
    const cluster = Math.floor(offset / this.#parts.clusterBytes);
    const block = await this.#block(cluster);
    return block === undefined ? 0 : refcountAt(block, cluster % this.#each, this.#parts.bits);
  }

  /** Behind the last cluster that anybody refers to. */
  async end(): Promise<number> {
    const { bits, clusterBytes } = this.#parts;
    for (let index = this.#table.length / 8 - 1; index >= 0; index -= 1) {
      const block = await this.#block(index * this.#each);
      if (block === undefined) continue;
      for (let at = this.#each - 1; at >= 0; at -= 1) {
        if (refcountAt(block, at, bits) > 0) return (index * this.#each + at + 1) * clusterBytes;
      }
    }
    return 0;
  }

  /** Takes so many clusters in a row, for one each. Gives where they begin: at once where the blocks that count them are in memory. */
  take(clusters: number): Settled<number> {
    assert(clusters > 0, 'somebody needs a cluster');
    return this.#take(clusters, 0);
  }

  /** Behind them lie so many more: the blocks that they are counted in, and a larger table, where there are none. */
  #take(clusters: number, more: number): Settled<number> {
    return andThen(this.#run(clusters + more), (first) => {
      const last = Math.floor((first + clusters + more - 1) / this.#each);
      const missing = this.#missing(Math.floor(first / this.#each), last);
      const tableClusters = last * 8 < this.#table.length ? 0 : this.#clustersFor(Math.ceil((last + 1) * growth));
      if (missing.length + tableClusters > more) return this.#take(clusters, missing.length + tableClusters);
      return andThen(this.#use(first, clusters, missing, tableClusters), () => first * this.#parts.clusterBytes);
    });
  }

  /** One more refers to the cluster. Fails with `invalid` where its refcount is as high as it can be. */
  async share(offset: number): Promise<void> {
    await this.#change(Math.floor(offset / this.#parts.clusterBytes), 1);
  }

  /** One less refers to each of these, as soon as nothing on disk does. */
  drop(offset: number, clusters: number): void {
    this.#dropped.push({ first: Math.floor(offset / this.#parts.clusterBytes), count: clusters });
  }

  get hasDropped(): boolean {
    return this.#dropped.length > 0;
  }

  get isDirty(): boolean {
    return this.#parts.cache.isDirty || this.#changed.size > 0;
  }

  get isPressed(): boolean {
    return this.#parts.cache.isPressed;
  }

  /** Nothing on disk refers to what was dropped: it is counted down. Gives the offsets of clusters that are free now. */
  async settle(): Promise<number[]> {
    const free: number[] = [];
    const dropped = this.#dropped;
    this.#dropped = [];
    for (const { first, count } of dropped) {
      for (let cluster = first; cluster < first + count; cluster += 1) {
        if ((await this.#change(cluster, -1)) > 0) continue;
        free.push(cluster * this.#parts.clusterBytes);
        this.#next = Math.min(this.#next, cluster);
      }
    }
    return free;
  }

  /** Writes the blocks, and then what names them. */
  async write(): Promise<void> {
    const { cache, file } = this.#parts;
    await cache.write();
    for (const index of this.#changed) {
      const entry = this.#table.subarray(index * 8, index * 8 + 8);
      const written = file.write(this.#tableOffset + index * 8, entry);
      if (isPromise(written)) await written;
      this.#changed.delete(index);
    }
  }

  /** The first of so many free ones in a row. */
  #run(clusters: number): Settled<number> {
    let run = 0;
    for (let at = this.#next; ; at += 1) {
      const block = this.#block(at);
      if (isPromise(block)) return block.then(() => this.#run(clusters));
      if (block === undefined) {
        const end = (Math.floor(at / this.#each) + 1) * this.#each;
        if (run + end - at >= clusters) return at - run;
        run += end - at;
        at = end - 1;
        continue;
      }
      run = refcountAt(block, at % this.#each, this.#parts.bits) === 0 ? run + 1 : 0;
      if (run === clusters) return at - clusters + 1;
    }
  }

  #missing(from: number, to: number): number[] {
    const found: number[] = [];
    for (let index = from; index <= to; index += 1) if (this.#offsetOf(index) === 0) found.push(index);
    return found;
  }

  #clustersFor(blocks: number): number {
    return Math.ceil((blocks * 8) / this.#parts.clusterBytes);
  }

  #use(first: number, clusters: number, missing: readonly number[], tableClusters: number): Settled<void> {
    const { cache, clusterBytes } = this.#parts;
    let at = first + clusters;
    const old = { offset: this.#tableOffset, bytes: this.#table.length };
    const from = at + missing.length;
    if (tableClusters > 0) {
      const table = Buffer.alloc(tableClusters * clusterBytes);
      this.#table.copy(table);
      this.#table = table;
    }
    for (const index of missing) {
      cache.put(at * clusterBytes);
      this.#table.writeBigUInt64BE(BigInt(at * clusterBytes), index * 8);
      this.#changed.add(index);
      at += 1;
    }
    const end = at + tableClusters;
    return andThen(this.#countUp(first, end), () => {
      this.#next = end;
      if (tableClusters === 0) return;
      return this.#moveTable(from * clusterBytes, tableClusters).then(() =>
        this.drop(old.offset, Math.ceil(old.bytes / clusterBytes)),
      );
    });
  }

  #countUp(from: number, end: number): Settled<void> {
    for (let cluster = from; cluster < end; cluster += 1) {
      const counted = this.#change(cluster, 1);
      if (isPromise(counted)) return counted.then(() => this.#countUp(cluster + 1, end));
    }
  }

  async #moveTable(offset: number, clusters: number): Promise<void> {
    const { cache, file, moved } = this.#parts;
    await cache.write();
    const written = file.write(offset, this.#table);
    if (isPromise(written)) await written;
    await file.sync();
    this.#changed.clear();
    await moved(offset, clusters);
    this.#tableOffset = offset;
  }

  /** Gives the count as it is then. */
  #change(cluster: number, by: 1 | -1): Settled<number> {
    return andThen(this.#block(cluster), (block) => this.#changeIn(block, cluster, by));
  }

  #changeIn(block: Buffer | undefined, cluster: number, by: 1 | -1): number {
    const { bits, cache, path } = this.#parts;
    const count = block === undefined ? by : refcountAt(block, cluster % this.#each, bits) + by;
    if (block === undefined || count < 0) {
      throw new AshlarError('corrupt', `nobody is counted who refers to the cluster ${cluster} of '${path}'`, { path });
    }
    if (count > this.most) {
      throw new AshlarError(
        'invalid',
        `more would refer to one cluster of '${path}' than its refcounts of ${bits} bits hold`,
        { path },
      );
    }
    putRefcount(block, cluster % this.#each, bits, count);
    cache.changed(this.#offsetOf(Math.floor(cluster / this.#each)));
    if (by === 1) this.#virgin = Math.max(this.#virgin, cluster + 1);
    return count;
  }

  #offsetOf(index: number): number {
    if (index * 8 >= this.#table.length) return 0;
    const upper = this.#table.readUInt32BE(index * 8);
    return upper * 2 ** 32 + ((this.#table.readUInt32BE(index * 8 + 4) & 0xffff_fe00) >>> 0);
  }

  #block(cluster: number): Settled<Buffer | undefined> {
    const { cache, clusterBytes, path } = this.#parts;
    const offset = this.#offsetOf(Math.floor(cluster / this.#each));
    if (offset === 0) return undefined;
    if (offset % clusterBytes !== 0) {
      throw new AshlarError('corrupt', `a block of refcounts of '${path}' at ${offset} begins no cluster`, { path });
    }
    return cache.at(offset);
  }
}
