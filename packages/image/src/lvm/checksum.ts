import { crc32 } from 'node:zlib';

/** What LVM begins its checksums with. It leaves out the inversion at either end that zlib's has. */
const initial = 0xf597a6cf;

/** LVM's checksum of several parts, one behind the other. */
export function lvmChecksum(...parts: readonly Uint8Array[]): number {
  const found = parts.reduce((value, part) => crc32(part, value), ~initial >>> 0);
  return ~found >>> 0;
}
