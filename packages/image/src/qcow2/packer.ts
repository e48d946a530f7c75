import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { zstdCompressOffThread } from '@ashlar/host';
import type { CompressionType } from './header.ts';

const deflating = promisify(deflateRaw);

/** A window of 4 KiB: QEMU has no more when it reads. */
const deflateOptions = { windowBits: 12, memLevel: 9 };
/** What zstd itself takes where nobody says another, and QEMU with it. */
const zstdLevel = 3;

/** Compresses clusters on the thread pool, several at once. */
export class Packer {
  readonly #compression: CompressionType;
  readonly #clusterBytes: number;
  /** Memory for what is made of clusters: as much as was needed at once. */
  readonly #rooms: Uint8Array[] = [];

  constructor(compression: CompressionType, clusterBytes: number) {
    this.#compression = compression;
    this.#clusterBytes = clusterBytes;
  }

  /**
   * Gives `use` what is made of a cluster, which it has until it settles; nothing where that is not less. The last cluster of a disk may be shorter: it goes
   * on behind its end, with zeros.
   */
  async pack(from: Uint8Array, use: (packed: Uint8Array | undefined) => Promise<void>): Promise<void> {
    const room = this.#rooms.pop() ?? new Uint8Array(this.#clusterBytes);
    try {
      await use(await this.#make(this.#whole(from), room));
    } finally {
      this.#rooms.push(room);
    }
  }

  async #make(cluster: Uint8Array, room: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#compression === 'zstd') {
      const length = await zstdCompressOffThread(cluster, room.subarray(0, cluster.length - 1), zstdLevel);
      return length < 0 ? undefined : room.subarray(0, length);
    }
    const packed = await deflating(cluster, { ...deflateOptions, chunkSize: Math.max(cluster.length, 1024) });
    return packed.length < cluster.length ? packed : undefined;
  }

  #whole(from: Uint8Array): Uint8Array {
    if (from.length === this.#clusterBytes) return from;
    const cluster = new Uint8Array(this.#clusterBytes);
    cluster.set(from);
    return cluster;
  }
}
