import { crc32c } from '@node-rs/crc32';

/** Bytes that one checksum covers, and the unit of everything the store keeps. */
export const blockSize = 4096;

/** CRC-32C (RFC 3720, appendix B.4) of the bytes, as an unsigned 32-bit number. */
export function checksumOf(bytes: Uint8Array): number {
  return crc32c(bytes as Buffer);
}

/** One checksum for each whole block of `bytes`, written to `into` from index `at` on. */
export function checksumBlocks(bytes: Uint8Array, into: Uint32Array, at: number): void {
  const blocks = bytes.length / blockSize;
  for (let index = 0; index < blocks; index += 1) {
    into[at + index] = crc32c(bytes.subarray(index * blockSize, (index + 1) * blockSize) as Buffer);
  }
}
