import { firstOtherXxh64, xxh64Blocks, xxh64Low } from '@ashlar/host';

/** Bytes that one checksum covers, and the unit of everything the store keeps. */
export const blockSize = 4096;

/** The low 32 bits of XXH64 (xxHash's specification, seed 0) of the first bytes, all where nothing is said, as an unsigned number. */
export function checksumOf(bytes: Uint8Array, length = bytes.byteLength): number {
  return xxh64Low(bytes, length);
}

/** One checksum for each whole block of `bytes`, written to `into` from index `at` on. */
export function checksumBlocks(bytes: Uint8Array, into: Uint32Array, at: number): void {
  xxh64Blocks(bytes, blockSize, into, at);
}

/**
 * Verifies whole blocks against their checksums, `checksums[at]` being the first one's. Gives the index of the first that
 * does not match, -1 when all do.
 */
export function firstDamaged(bytes: Uint8Array, checksums: Uint32Array, at: number): number {
  return firstOtherXxh64(bytes, blockSize, checksums, at);
}
