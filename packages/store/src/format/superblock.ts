import { AshlarError, KiB } from '@ashlar/core';
import { blockSize, checksumOf } from '../checksum.ts';

const magic = 'ASHLAR01';
/**
 * 2: each frame of the journal repeats what the one before it said. 3: the journal may hold several generations. 4: objects have
 * states that snapshots keep.
 */
const version = 4;
const checksumXxh64 = 1;

/** What `ashlar.pool` says: the pool's identity and the shape of everything else in it. */
export type Superblock = {
  /** 32 hexadecimal digits. */
  readonly poolId: string;
  readonly chunkSizeBytes: number;
  /** Where the device was last that the data lies on; nothing where it lies in files. */
  readonly device?: string;
  /** Bits that an older program may ignore, that it may ignore when it only reads, and that it must know. */
  readonly compatible: number;
  readonly readOnlyCompatible: number;
  readonly incompatible: number;
};

/** An incompatible bit: maps have pieces that are compressed. It is set when a volume is first to be compressed. */
export const compressedPieces = 1;

/** An incompatible bit: the data lies on a device, which a label names the pool on. */
export const dataOnDevice = 2;

/** A read-only compatible bit: each commit of the database is in the log of records too, which is not current any more where somebody leaves it out. */
export const recordLog = 1;

/** Feature bits this program knows. */
const knownReadOnlyCompatible = recordLog;
const knownIncompatible = compressedPieces | dataOnDevice;

export const chunkSizes: readonly number[] = [64 * KiB, 128 * KiB, 256 * KiB];

/** Bytes of a device's path at the most, and where it stands. */
const mostPathBytes = 1024;
const pathOffset = 52;

/**
 * One block: magic 8, version u32, checksum kind u32, pool id 16, chunk size u32, three feature words u32, length of the device's path u32, that path,
 * ..., checksum u32 at the end. Throws `invalid` for a path that is too long.
 */
export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const bytes = Buffer.alloc(blockSize);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(checksumXxh64, 12);
  bytes.write(superblock.poolId, 16, 'hex');
  bytes.writeUInt32LE(superblock.chunkSizeBytes, 32);
  bytes.writeUInt32LE(superblock.compatible, 36);
  bytes.writeUInt32LE(superblock.readOnlyCompatible, 40);
  bytes.writeUInt32LE(superblock.incompatible, 44);
  const device = Buffer.from(superblock.device ?? '');
  if (device.length > mostPathBytes) throw new AshlarError('invalid', 'the path of a device has at most 1,024 bytes');
  bytes.writeUInt32LE(device.length, 48);
  device.copy(bytes, pathOffset);
  bytes.writeUInt32LE(checksumOf(bytes.subarray(0, blockSize - 4)), blockSize - 4);
  return bytes;
}

/** Throws `invalid` for what is no pool, `corrupt` for a damaged one, `unsupported` for a newer or an older one. */
export function decodeSuperblock(raw: Uint8Array, path: string): Superblock {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  if (bytes.length < blockSize || bytes.toString('latin1', 0, 8) !== magic) {
    throw new AshlarError('invalid', `'${path}' is not a pool of Ashlar`, { path });
  }
  if (bytes.readUInt32LE(blockSize - 4) !== checksumOf(bytes.subarray(0, blockSize - 4))) {
    throw new AshlarError('corrupt', `the pool's identity in '${path}' is damaged`, { path });
  }
  if (bytes.readUInt32LE(8) < version) {
    throw new AshlarError('unsupported', `the pool in '${path}' was made by an older Ashlar; only that one opens it`, {
      path,
    });
  }
  const pathBytes = Math.min(mostPathBytes, bytes.readUInt32LE(48));
  const superblock: Superblock = {
    ...(pathBytes === 0 ? {} : { device: bytes.toString('utf8', pathOffset, pathOffset + pathBytes) }),
    poolId: bytes.toString('hex', 16, 32),
    chunkSizeBytes: bytes.readUInt32LE(32),
    compatible: bytes.readUInt32LE(36),
    readOnlyCompatible: bytes.readUInt32LE(40),
    incompatible: bytes.readUInt32LE(44),
  };
  const unknown =
    (superblock.incompatible & ~knownIncompatible) | (superblock.readOnlyCompatible & ~knownReadOnlyCompatible);
  if (bytes.readUInt32LE(8) !== version || bytes.readUInt32LE(12) !== checksumXxh64 || unknown !== 0) {
    throw new AshlarError('unsupported', `the pool in '${path}' was made by a newer Ashlar; upgrade to open it`, {
      path,
    });
  }
  if (!chunkSizes.includes(superblock.chunkSizeBytes)) {
    throw new AshlarError('corrupt', `the pool in '${path}' has an impossible chunk size`, { path });
  }
  return superblock;
}
