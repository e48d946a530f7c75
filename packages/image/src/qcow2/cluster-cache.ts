import { AshlarError, assert, isPromise, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';

/**
 * Clusters of tables in memory, by where they lie: those that were changed stay until they are written, of the others the ones that were asked for
 * last. What of a cluster lies behind the end of the file is zeros.
 */
export class ClusterCache {
  readonly #file: HostFile;
  readonly #clusterBytes: number;
  readonly #mostClusters: number;
  /** In the order in which they were asked for. */
  readonly #clusters = new Map<number, Buffer>();
  readonly #dirty = new Set<number>();
  readonly #loading = new Map<number, Promise<Buffer>>();

  constructor(file: HostFile, clusterBytes: number, mostBytes: number) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#mostClusters = Math.max(4, Math.floor(mostBytes / clusterBytes));
  }

  /** Changed clusters take so much of it that they should be written. */
  get isPressed(): boolean {
    return this.#dirty.size > this.#mostClusters / 2;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  at(offset: number): Settled<Buffer> {
    assert(offset > 0 && offset % this.#clusterBytes === 0, 'a table begins at a cluster');
    const found = this.#clusters.get(offset);
    if (found === undefined) return this.#load(offset);
    this.#clusters.delete(offset);
    this.#clusters.set(offset, found);
    return found;
  }

  /** One of zeros, or of these bytes, in place of whatever lies there. */
  put(offset: number, bytes?: Uint8Array): Buffer {
    const cluster = Buffer.alloc(this.#clusterBytes);
    if (bytes !== undefined) cluster.set(bytes);
    this.#add(offset, cluster);
    this.#dirty.add(offset);
    return cluster;
  }

  /** Its bytes were changed. */
  changed(offset: number): void {
    assert(this.#clusters.has(offset), 'what is changed is in memory');
    this.#dirty.add(offset);
  }

  /** Nobody refers to it any more. */
  forget(offset: number): void {
    this.#clusters.delete(offset);
    this.#dirty.delete(offset);
  }

  /** Writes what was changed until now. */
  async write(): Promise<void> {
    const offsets = [...this.#dirty].toSorted((one, other) => one - other);
    for (const offset of offsets) {
      // What is changed meanwhile is written again.
      this.#dirty.delete(offset);
      try {
        const written = this.#file.write(offset, this.#clusters.get(offset)!);
        if (isPromise(written)) await written;
      } catch (error) {
        this.#dirty.add(offset);
        throw error;
      }
    }
    this.#trim();
  }

  #load(offset: number): Settled<Buffer> {
    const under = this.#loading.get(offset);
    if (under !== undefined) return under;
    const cluster = Buffer.alloc(this.#clusterBytes);
    const read = this.#file.read(offset, cluster);
    if (!isPromise(read)) return this.#loaded(offset, cluster, read);
    const loading = read
      .then((count) => this.#loaded(offset, cluster, count))
      .finally(() => this.#loading.delete(offset));
    this.#loading.set(offset, loading);
    return loading;
  }

  #loaded(offset: number, cluster: Buffer, count: number): Buffer {
    if (count === 0) {
      throw new AshlarError('corrupt', `${this.#file.path} ends before its table at ${offset}`, {
        path: this.#file.path,
        offset,
      });
    }
    cluster.fill(0, count);
    // Somebody may have put another one there meanwhile.
    const there = this.#clusters.get(offset);
    if (there !== undefined) return there;
    this.#add(offset, cluster);
    return cluster;
  }

  #add(offset: number, cluster: Buffer): void {
    this.#clusters.set(offset, cluster);
    this.#trim();
  }

  #trim(): void {
    if (this.#clusters.size <= this.#mostClusters) return;
    for (const offset of this.#clusters.keys()) {
      if (this.#dirty.has(offset)) continue;
      this.#clusters.delete(offset);
      if (this.#clusters.size <= this.#mostClusters) return;
    }
  }
}
