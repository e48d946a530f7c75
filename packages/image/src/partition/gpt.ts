import { crc32 } from 'node:zlib';
import { AshlarError, MiB } from '@ashlar/core';
import type { Partition, ReadDisk } from './partition.ts';

/**
 * A GUID partition table (UEFI 2.10, 5.3), little endian. In its second sector, and again in its last one:
 *
 *   0 `EFI PART` · 12 bytes of the header u32 · 16 CRC-32 of it, taken with zeros here · 24 its own sector u64 · 32 the other one's
 *   72 first sector of the entries u64 · 80 entries u32 · 84 bytes of each u32 · 88 CRC-32 of the entries
 *
 * An entry: 0 type, of zeros where it is not used · 32 first sector u64 · 40 last sector u64 · 56 name, 36 characters of UTF-16.
 */
const signature = 'EFI PART';
const leastHeaderBytes = 92;
const leastEntryBytes = 128;
const mostEntriesBytes = 4 * MiB;

/** The partitions of a table with sectors of this size; nothing: there is none. Throws `corrupt` where neither copy is whole. */
export async function gptPartitions(
  read: ReadDisk,
  sizeBytes: number,
  sectorBytes: number,
  path: string,
): Promise<readonly Partition[] | undefined> {
  const last = Math.floor(sizeBytes / sectorBytes) - 1;
  if (last < 2) return undefined;
  let isThere = false;
  for (const sector of [1, last]) {
    const header = await read(sector * sectorBytes, sectorBytes);
    if (header.toString('latin1', 0, signature.length) !== signature) continue;
    isThere = true;
    const entries = await entriesOf(read, header, sector, sizeBytes, sectorBytes);
    if (entries !== undefined) return entries;
  }
  if (!isThere) return undefined;
  throw new AshlarError('corrupt', `both copies of the partition table of '${path}' are damaged`, { path });
}

/** Nothing where its checksums do not fit, or it cannot be. */
async function entriesOf(
  read: ReadDisk,
  header: Buffer,
  sector: number,
  sizeBytes: number,
  sectorBytes: number,
): Promise<readonly Partition[] | undefined> {
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < leastHeaderBytes || headerBytes > sectorBytes) return undefined;
  const sum = header.readUInt32LE(16);
  const plain = Buffer.from(header.subarray(0, headerBytes));
  plain.writeUInt32LE(0, 16);
  if (crc32(plain) !== sum || header.readBigUInt64LE(24) !== BigInt(sector)) return undefined;
  const first = Number(header.readBigUInt64LE(72));
  const [count, each] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  const bytes = count * each;
  const isPossible = each >= leastEntryBytes && bytes <= mostEntriesBytes && first * sectorBytes + bytes <= sizeBytes;
  if (!isPossible) return undefined;
  const table = await read(first * sectorBytes, bytes);
  if (crc32(table) !== header.readUInt32LE(88)) return undefined;
  const found: Partition[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = table.subarray(index * each, (index + 1) * each);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const [from, to] = [Number(entry.readBigUInt64LE(32)), Number(entry.readBigUInt64LE(40))];
    const name = entry.toString('utf16le', 56, leastEntryBytes).replace(/\0.*$/s, '');
    found.push({ number: index + 1, offset: from * sectorBytes, sizeBytes: (to - from + 1) * sectorBytes, name });
  }
  return found;
}
