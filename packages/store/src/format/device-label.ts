import { AshlarError, MiB } from '@ashlar/core';
import { blockSize, checksumOf } from '../checksum.ts';

const magic = 'ASHLARDV';
const version = 1;

/** Slots begin here: what is in front is the label's, and what other programs' labels would be in is zeros. */
export const labelledBytes = MiB;

/** What the first block of a device says that a pool's data lies on. */
export type DeviceLabel = {
  /** 32 hexadecimal digits. */
  readonly poolId: string;
  readonly slotBytes: number;
  /** Slots that the pool has been told of: a device that has fewer lacks some of its data, perhaps. */
  readonly slots: number;
};

/** One block: magic 8, version u32, slot bytes u32, pool id 16, slots u64, ..., checksum u32 at the end. */
export function encodeDeviceLabel({ poolId, slotBytes, slots }: DeviceLabel): Uint8Array {
  const bytes = Buffer.alloc(blockSize);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(slotBytes, 12);
  bytes.write(poolId, 16, 'hex');
  bytes.writeBigUInt64LE(BigInt(slots), 32);
  bytes.writeUInt32LE(checksumOf(bytes.subarray(0, blockSize - 4)), blockSize - 4);
  return bytes;
}

/** Undefined for what has no label. Throws `corrupt` for a damaged one, `unsupported` for a newer one. */
export function decodeDeviceLabel(raw: Uint8Array, path: string): DeviceLabel | undefined {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  if (bytes.length < blockSize || bytes.toString('latin1', 0, 8) !== magic) return undefined;
  if (bytes.readUInt32LE(blockSize - 4) !== checksumOf(bytes.subarray(0, blockSize - 4))) {
    throw new AshlarError('corrupt', `the label of the pool's device ${path} is damaged`, { path });
  }
  if (bytes.readUInt32LE(8) !== version) {
    throw new AshlarError('unsupported', `${path} was labelled by a newer Ashlar; upgrade to use it`, { path });
  }
  return {
    poolId: bytes.toString('hex', 16, 32),
    slotBytes: bytes.readUInt32LE(12),
    slots: Number(bytes.readBigUInt64LE(32)),
  };
}
