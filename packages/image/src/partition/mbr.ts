import { AshlarError } from '@ashlar/core';
import type { Partition, ReadDisk } from './partition.ts';

/**
 * A master boot record, little endian: from byte 446 on four entries of 16 bytes, each 4 type u8 · 8 first sector u32 · 12 sectors u32; 510 55 AA.
 * One of an extended type begins a chain of records of the same shape: their first entry is a partition, counted from that record on, and the second
 * names the next record, counted from the beginning of the extended partition on.
 */
export const mbrBytes = 512;
const firstEntry = 446;
const entryBytes = 16;
const extendedTypes = new Set([0x05, 0x0f, 0x85]);
const protectiveType = 0xee;
/** Linux gives numbers to no more of them. */
const mostLogical = 251;

type Entry = { readonly type: number; readonly start: number; readonly sectors: number };

export const isMbr = (record: Buffer): boolean => record.readUInt16LE(510) === 0xaa55;

/** Whether the disk says by its first record that it has a GPT. */
export const isProtective = (record: Buffer): boolean => entriesOf(record).some(({ type }) => type === protectiveType);

function entriesOf(record: Buffer): readonly Entry[] {
  return [0, 1, 2, 3].map((index) => {
    const at = firstEntry + index * entryBytes;
    return { type: record[at + 4]!, start: record.readUInt32LE(at + 8), sectors: record.readUInt32LE(at + 12) };
  });
}

/** The partitions that a disk's first record names. Throws `corrupt` where the records of logical ones lead nowhere, or in a circle. */
export async function mbrPartitions(
  read: ReadDisk,
  sizeBytes: number,
  sectorBytes: number,
  path: string,
): Promise<readonly Partition[]> {
  const found: Partition[] = [];
  const put = (number: number, start: number, sectors: number): void =>
    void found.push({ number, offset: start * sectorBytes, sizeBytes: sectors * sectorBytes, name: '' });
  let extended: number | undefined;
  for (const [index, { type, start, sectors }] of entriesOf(await read(0, mbrBytes)).entries()) {
    if (type === 0 || sectors === 0) continue;
    if (!extendedTypes.has(type)) put(index + 1, start, sectors);
    else extended ??= start;
  }
  if (extended === undefined) return found;
  const seen = new Set<number>();
  for (let record: number | undefined = extended, number = 5; record !== undefined; number += 1) {
    if (seen.has(record) || seen.size === mostLogical || record * sectorBytes + mbrBytes > sizeBytes) {
      throw new AshlarError('corrupt', `the logical partitions of '${path}' lead in a circle, or beyond its end`, {
        path,
      });
    }
    seen.add(record);
    const bytes: Buffer = await read(record * sectorBytes, mbrBytes);
    // Where there never was a logical partition there is no record.
    if (!isMbr(bytes)) break;
    const [own, next] = entriesOf(bytes);
    if (own!.type !== 0 && own!.sectors > 0) put(number, record + own!.start, own!.sectors);
    record = extendedTypes.has(next!.type) ? extended + next!.start : undefined;
  }
  return found;
}
