import type { BlockReads } from '@ashlar/block';
import { andThen, AshlarError, isPromise, type Extent, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ClusterMap, Run } from './cluster-map.ts';
import { unpackCluster } from './compressed.ts';
import type { CompressionType } from './header.ts';

/** Clusters that were decompressed last, for reads of their parts in a row. */
const unpackedClusters = 4;

export type ReaderParts = {
  readonly path: string;
  readonly clusterBytes: number;
  readonly map: ClusterMap;
  /** Where data lies: the image itself, or the file that it names for it. */
  readonly data: HostFile;
  /** Where compressed clusters lie. */
  readonly file: HostFile;
  readonly compression: CompressionType;
  /** What the image itself has nothing of; nothing: zeros. */
  readonly backing: BlockReads | undefined;
};

/** Reads what an image shows, by a map of its clusters. Ranges are inside it. */
export class ClusterReader {
  readonly #parts: ReaderParts;
  /** By where their compressed bytes lie, the last one first. */
  #unpacked: { readonly offset: number; readonly bytes: Uint8Array }[] = [];

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    return this.#readFrom(offset, into, 0);
  }

  #readFrom(offset: number, into: Uint8Array, from: number): Settled<void> {
    for (let done = from; done < into.length;) {
      const run = this.#parts.map.runAt(offset + done, into.length - done);
      if (isPromise(run)) return run.then((found) => this.#readOn(offset, into, done, found));
      const settled = this.#readRun(run, offset + done, into.subarray(done, done + run.length));
      done += run.length;
      if (isPromise(settled)) {
        const next = done;
        return settled.then(() => this.#readFrom(offset, into, next));
      }
    }
    return undefined;
  }

  #readOn(offset: number, into: Uint8Array, done: number, run: Run): Settled<void> {
    const settled = this.#readRun(run, offset + done, into.subarray(done, done + run.length));
    return andThen(settled, () => this.#readFrom(offset, into, done + run.length));
  }

  #readRun(run: Run, offset: number, into: Uint8Array): Settled<void> {
    if (run.kind === 'data') {
      // What lies behind the end of the file was never written.
      return andThen(this.#parts.data.read(run.offset, into), (count) => void into.fill(0, count));
    }
    if (run.kind === 'compressed') return this.#readPacked(run, offset, into);
    if (run.kind === 'zero') return void into.fill(0);
    return this.#readBacking(offset, into);
  }

  /** Of what the image is backed by. */
  get backingBytes(): number {
    return this.#parts.backing?.sizeBytes ?? 0;
  }

  /** Whether all of a range that the image itself has nothing of reads as zeros. */
  isNothing(offset: number): boolean {
    return offset >= this.backingBytes;
  }

  #readBacking(offset: number, into: Uint8Array): Settled<void> {
    const { backing } = this.#parts;
    const length = backing === undefined ? 0 : Math.max(0, Math.min(into.length, backing.sizeBytes - offset));
    into.fill(0, length);
    return length === 0 ? undefined : backing!.read(offset, into.subarray(0, length));
  }

  #readPacked({ offset: place, compressedBytes }: Run, offset: number, into: Uint8Array): Settled<void> {
    const within = offset % this.#parts.clusterBytes;
    const take = (bytes: Uint8Array): void => into.set(bytes.subarray(within, within + into.length));
    const found = this.#unpacked.find((each) => each.offset === place);
    if (found !== undefined) return take(found.bytes);
    const packed = Buffer.alloc(compressedBytes);
    return andThen(this.#parts.file.read(place, packed), (count) =>
      take(this.#unpack(packed.subarray(0, count), place)),
    );
  }

  #unpack(packed: Uint8Array, place: number): Uint8Array {
    const { clusterBytes, compression, path } = this.#parts;
    const bytes = new Uint8Array(clusterBytes);
    if (!unpackCluster(compression, packed, bytes)) {
      throw new AshlarError('corrupt', `the compressed cluster of '${path}' at ${place} is damaged`, {
        path,
        offset: place,
      });
    }
    this.#unpacked = [{ offset: place, bytes }, ...this.#unpacked.slice(0, unpackedClusters - 1)];
    return bytes;
  }

  /** Places of compressed clusters may be somebody else's from now on. */
  forgetUnpacked(): void {
    this.#unpacked = [];
  }

  async extents(offset: number, length: number, limit: number): Promise<readonly Extent[]> {
    const found: Extent[] = [];
    for (let done = 0; done < length;) {
      const run = await this.#parts.map.runAt(offset + done, length - done);
      const states = await this.#statesOf(run, offset + done, limit);
      for (const { length: bytes, state } of states) {
        const last = found.at(-1);
        if (last?.state === state) found[found.length - 1] = { ...last, length: last.length + bytes };
        else if (found.length === limit) return found;
        else found.push({ offset: offset + done, length: bytes, state });
        done += bytes;
      }
    }
    return found;
  }

  async #statesOf({ kind, length, offset: place }: Run, offset: number, limit: number): Promise<readonly Extent[]> {
    if (kind === 'data' || kind === 'compressed') return [{ offset, length, state: 'data' }];
    if (kind === 'zero') return [{ offset, length, state: place < 0 ? 'hole' : 'zero' }];
    const { backing } = this.#parts;
    const behind = backing === undefined ? 0 : Math.max(0, Math.min(length, backing.sizeBytes - offset));
    if (behind === 0) return [{ offset, length, state: 'hole' }];
    const found = await backing!.extents(offset, behind, limit);
    const last = found.at(-1);
    if (last === undefined || last.offset + last.length < offset + behind || behind === length) return found;
    return [...found, { offset: offset + behind, length: length - behind, state: 'hole' }];
  }
}
