import { emulate } from '@ashlar/block';
import { AshlarError, KiB, type BlockDevice, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { CopyTarget } from '../copy/target.ts';
import { allSubclusters, compressedEntry } from './entry.ts';
import { FreshTarget, openFresh } from './fresh-target.ts';
import type { Qcow2Header } from './header.ts';
import { openWriteDevice, type Qcow2Layer } from './open.ts';
import { PackedRoom } from './packed-room.ts';
import { Packer } from './packer.ts';
import type { Refcounts } from './refcounts.ts';
import type { Tables } from './tables.ts';
import type { WriteDevice } from './write-device.ts';

/** Clusters of several requests are compressed at once. */
const pieceBytes = 64 * KiB;

/** An image that was made just now, and whose clusters are compressed, several at once. What does not become smaller is written as it is. */
class FreshCompressed extends FreshTarget {
  override readonly unitBytes: number;
  override readonly pieceBytes = pieceBytes;
  readonly #hasZeros: boolean;
  readonly #packer: Packer;
  readonly #room: PackedRoom;

  constructor(layer: Qcow2Layer, header: Qcow2Header, tables: Tables, refcounts: Refcounts) {
    super(layer, header, tables, refcounts);
    this.unitBytes = layer.geometry.clusterBytes;
    this.#hasZeros = header.version >= 3;
    this.#packer = new Packer(header.compression, this.unitBytes);
    this.#room = new PackedRoom(refcounts);
  }

  override async write(offset: number, from: Uint8Array): Promise<void> {
    await eachCluster(this.unitBytes, offset, from, (at, cluster) => this.#writeCluster(at, cluster));
  }

  async #writeCluster(offset: number, from: Uint8Array): Promise<void> {
    await this.#packer.pack(from, async (packed) => {
      if (packed === undefined) return await super.write(offset, from);
      const place = await this.alone(() => this.#placeFor(offset, packed.length));
      await this.layer.file.writeOffThread(place, packed);
    });
  }

  async #placeFor(offset: number, length: number): Promise<number> {
    const { own, index } = await this.at(offset);
    const place = await this.#room.take(length);
    this.tables.putBytes(own, index, compressedEntry(this.geometry, place, length));
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

/** Opens an image that was made just now, in which nothing is. */
export async function freshCompressed(host: Host, path: string): Promise<CopyTarget> {
  return await openFresh(host, path, FreshCompressed);
}

/** An image that is there, and in which what is written is compressed where that is a whole cluster. */
class CompressedOver implements CopyTarget {
  readonly isZero: boolean;
  readonly unitBytes: number;
  readonly pieceBytes = pieceBytes;
  readonly isOrdered = false;
  readonly #device: WriteDevice;
  /** The same for whatever is no whole cluster. */
  readonly #plain: BlockDevice;
  readonly #packer: Packer;

  constructor(device: WriteDevice, isZero: boolean) {
    const { clusterBytes, compression } = device.packing;
    this.isZero = isZero;
    this.unitBytes = clusterBytes;
    this.#device = device;
    this.#plain = emulate(device, { minimumBlockBytes: 1 });
    this.#packer = new Packer(compression, clusterBytes);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await eachCluster(this.unitBytes, offset, from, (at, cluster) => this.#writeCluster(at, cluster));
  }

  async #writeCluster(offset: number, from: Uint8Array): Promise<void> {
    const device = this.#device;
    // Behind what ends within a cluster stays what is there.
    const isWhole = from.length === this.unitBytes || offset + from.length === device.sizeBytes;
    if (!isWhole) return await this.#plain.write(offset, from, false);
    await this.#packer.pack(from, async (packed) =>
      packed === undefined
        ? await this.#plain.write(offset, from, false)
        : await device.writeCompressed(offset, packed),
    );
  }

  zero(offset: number, length: number): Settled<void> {
    if (!this.isZero) return this.#plain.zero(offset, length, 'may-trim', false);
  }

  finish(durable: boolean): Settled<void> {
    if (durable) return this.#plain.flush();
  }

  close(): Settled<void> {
    return this.#plain.close();
  }
}

/** As `openCompressed`. */
export async function compressedOver(
  host: Host,
  path: string,
  isZero: boolean,
): Promise<{ readonly target: CopyTarget; readonly sizeBytes: number }> {
  const device = await openWriteDevice(host, path);
  if (device.packing.isPossible) return { target: new CompressedOver(device, isZero), sizeBytes: device.sizeBytes };
  await device.close();
  throw new AshlarError('invalid', `the data of '${path}' lies in another file, where it is not compressed`, { path });
}

async function eachCluster(
  clusterBytes: number,
  offset: number,
  from: Uint8Array,
  write: (offset: number, from: Uint8Array) => Promise<void>,
): Promise<void> {
  const writing: Promise<void>[] = [];
  for (let at = 0; at < from.length; at += clusterBytes) {
    writing.push(write(offset + at, from.subarray(at, at + clusterBytes)));
  }
  await Promise.all(writing);
}
