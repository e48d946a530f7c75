import type { BlockReads } from '@ashlar/block';
import { AshlarError } from '@ashlar/core';
import { kernelCrc32c } from './crc32c.ts';
import { sectorBytes } from './label.ts';

/**
 * The metadata of a thin pool (drivers/md/dm-thin-metadata.c and persistent-data/), blocks of 4 KiB, little endian. The first one:
 *
 *   0 checksum u32 · 4 flags u32 · 8 its number u64 · 32 27022010 u64 · 40 version u32 · 48 transaction u64 · 320 root of the mappings u64
 *   336 sectors of a chunk u32 · 340 sectors of a block u32 · 360 features that must be known u32
 *
 * and of the trees: 0 checksum u32 · 4 inner node 1, leaf 2 u32 · 8 its number u64 · 16 entries u32 · 20 room for so many u32 · 24 bytes of a value u32
 * 32 keys u64, then values. The tree of mappings has of each device the root of a tree, that of each chunk its place << 24.
 */
const blockBytes = 4096;
const magic = 27_022_010n;
const salts = { superblock: 160_774, node: 121_107 } as const;
const flags = { inner: 1, leaf: 2, needsCheck: 1 } as const;
const headerBytes = 32;
const valueBytes = 8;
const mostEntries = (blockBytes - headerBytes) / (8 + valueBytes);
const mostDepth = 16;
/** Nodes in memory: 4 MiB. */
const mostNodes = 1024;

type Node = { readonly isLeaf: boolean; readonly entries: number; readonly room: number; readonly bytes: Buffer };

export class ThinMetadata {
  readonly chunkBytes: number;
  readonly #device: BlockReads;
  readonly #name: string;
  readonly #root: number;
  readonly #nodes = new Map<number, Node>();

  private constructor(device: BlockReads, name: string, superblock: Buffer) {
    this.#device = device;
    this.#name = name;
    const sum = (kernelCrc32c(superblock.subarray(4)) ^ salts.superblock) >>> 0;
    if (superblock.readBigUInt64LE(32) !== magic) throw this.#fault('are none');
    if (superblock.readUInt32LE(0) !== sum) throw this.#fault('do not match their checksum');
    if ((superblock.readUInt32LE(4) & flags.needsCheck) !== 0) throw this.#fault('must be repaired first');
    const blockSectors = superblock.readUInt32LE(340);
    if (blockSectors * sectorBytes !== blockBytes || superblock.readUInt32LE(360) !== 0) {
      throw this.#fault('are of a kind that is not known');
    }
    this.chunkBytes = superblock.readUInt32LE(336) * sectorBytes;
    if (this.chunkBytes < 65_536) throw this.#fault('have chunks of a size that cannot be');
    this.#root = this.#blockOf(superblock.readBigUInt64LE(320));
  }

  /** `name`: the pool, for people. Throws `corrupt`. */
  static async open(device: BlockReads, name: string): Promise<ThinMetadata> {
    const superblock = Buffer.alloc(blockBytes);
    await device.read(0, superblock);
    return new ThinMetadata(device, name, superblock);
  }

  /** The root of a device's chunks, or nothing where the pool does not know it. */
  async device(id: number): Promise<number | undefined> {
    const found = await this.#find(this.#root, BigInt(id));
    return found === undefined ? undefined : this.#blockOf(found);
  }

  /** The place of a chunk in the pool's data, or nothing where it was never written. */
  async chunk(root: number, chunk: number): Promise<number | undefined> {
    const found = await this.#find(root, BigInt(chunk));
    return found === undefined ? undefined : Number(found >> 24n);
  }

  async #find(root: number, key: bigint): Promise<bigint | undefined> {
    let block = root;
    for (let depth = 0; depth < mostDepth; depth += 1) {
      const node = await this.#node(block);
      const at = lastAtMost(node, key);
      if (at < 0) return undefined;
      const value = node.bytes.readBigUInt64LE(headerBytes + 8 * node.room + valueBytes * at);
      if (node.isLeaf) return keyAt(node, at) === key ? value : undefined;
      block = this.#blockOf(value);
    }
    throw this.#fault('have a tree that leads back to itself');
  }

  async #node(block: number): Promise<Node> {
    const there = this.#nodes.get(block);
    if (there !== undefined) {
      // The one used last goes last.
      this.#nodes.delete(block);
      this.#nodes.set(block, there);
      return there;
    }
    const bytes = Buffer.alloc(blockBytes);
    await this.#device.read(block * blockBytes, bytes);
    const node = this.#parse(bytes, block);
    this.#nodes.set(block, node);
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size > mostNodes && oldest !== undefined) this.#nodes.delete(oldest);
    return node;
  }

  #parse(bytes: Buffer, block: number): Node {
    if (bytes.readUInt32LE(0) !== (kernelCrc32c(bytes.subarray(4)) ^ salts.node) >>> 0) {
      throw this.#fault(`do not match their checksum in block ${block}`);
    }
    const kind = bytes.readUInt32LE(4) & 3;
    const entries = bytes.readUInt32LE(16);
    const room = bytes.readUInt32LE(20);
    const isSound =
      bytes.readBigUInt64LE(8) === BigInt(block) &&
      (kind === flags.inner || kind === flags.leaf) &&
      bytes.readUInt32LE(24) === valueBytes &&
      entries <= room &&
      room <= mostEntries;
    if (!isSound) throw this.#fault(`have no node in block ${block}`);
    return { isLeaf: kind === flags.leaf, entries, room, bytes };
  }

  #blockOf(value: bigint): number {
    if (value === 0n || value >= BigInt(Math.floor(this.#device.sizeBytes / blockBytes))) {
      throw this.#fault('name a block outside of them');
    }
    return Number(value);
  }

  #fault(how: string): AshlarError {
    return new AshlarError('corrupt', `the metadata of the thin pool '${this.#name}' ${how}`);
  }
}

const keyAt = ({ bytes }: Node, at: number): bigint => bytes.readBigUInt64LE(headerBytes + 8 * at);

/** The last entry whose key is not above, or -1. */
function lastAtMost(node: Node, key: bigint): number {
  let low = 0;
  let high = node.entries;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyAt(node, middle) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
