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

const polynomial = 0x82f63b78;

/** What becomes of a checksum when a block of zeros follows, by each of its four bytes: 256 words a byte. */
const behindBlock = shiftTable();

function shiftTable(): Uint32Array {
  const byByte = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ polynomial;
    return value;
  });
  const byBit = Uint32Array.from({ length: 32 }, (_, bit) => {
    let value = (1 << bit) >>> 0;
    for (let at = 0; at < blockSize; at += 1) value = (value >>> 8) ^ (byByte[value & 0xff] ?? 0);
    return value;
  });
  return Uint32Array.from({ length: 4 * 256 }, (_, index) => {
    let value = 0;
    for (let bit = 0; bit < 8; bit += 1) if ((index & (1 << bit)) !== 0) value ^= byBit[(index >>> 8) * 8 + bit] ?? 0;
    return value;
  });
}

/**
 * Verifies whole blocks against their checksums, `checksums[at]` being the first one's. Gives the index of the first that
 * does not match, -1 when all do. A CRC is linear, so those of the blocks combine into that of all of them: one pass over
 * the bytes, and one damaged block changes it for certain.
 */
export function firstDamaged(bytes: Uint8Array, checksums: Uint32Array, at: number): number {
  const blocks = bytes.length / blockSize;
  let combined = checksums[at] ?? 0;
  for (let index = 1; index < blocks; index += 1) {
    combined =
      (behindBlock[combined & 0xff] ?? 0) ^
      (behindBlock[256 + ((combined >>> 8) & 0xff)] ?? 0) ^
      (behindBlock[512 + ((combined >>> 16) & 0xff)] ?? 0) ^
      (behindBlock[768 + (combined >>> 24)] ?? 0) ^
      (checksums[at + index] ?? 0);
  }
  if (crc32c(bytes as Buffer) === combined >>> 0) return -1;
  for (let index = 0; index < blocks; index += 1) {
    const block = bytes.subarray(index * blockSize, (index + 1) * blockSize);
    if (crc32c(block as Buffer) !== checksums[at + index]) return index;
  }
  return -1;
}
