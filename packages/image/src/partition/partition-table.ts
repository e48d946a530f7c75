import type { BlockReads } from '@ashlar/block';
import { alignDown, alignUp, AshlarError, formatSize, isPromise } from '@ashlar/core';
import { gptPartitions } from './gpt.ts';
import { isMbr, isProtective, mbrBytes, mbrPartitions } from './mbr.ts';
import type { Partition } from './partition.ts';

/** A table of an image counts by the sectors of the disk that it was made on: most have the smaller ones. */
const sectorSizes = [512, 4096];

/**
 * The partitions of a disk by its GPT or MBR, in the order of their numbers; none: it has no table. `sectorBytes` of a device that knows it. Throws
 * `corrupt` where the table cannot be.
 */
export async function partitionsOf(
  disk: BlockReads,
  path: string,
  sectorBytes?: number,
): Promise<readonly Partition[]> {
  const { sizeBytes, blockSizes } = disk;
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const from = alignDown(offset, blockSizes.minimum);
    const bytes = Buffer.alloc(alignUp(offset + length, blockSizes.minimum) - from);
    const done = disk.read(from, bytes);
    if (isPromise(done)) await done;
    return bytes.subarray(offset - from, offset - from + length);
  };
  if (sizeBytes < mbrBytes) return [];
  const sizes = sectorBytes === undefined ? sectorSizes : [sectorBytes];
  const record = await read(0, mbrBytes);
  if (isMbr(record) && !isProtective(record)) return await mbrPartitions(read, sizeBytes, sizes[0]!, path);
  for (const size of sizes) {
    const found = await gptPartitions(read, sizeBytes, size, path);
    if (found !== undefined) return found;
  }
  return [];
}

/** The partition of a number. Fails as `partitionsOf`, with `not-found`, which says what there is, and with `corrupt` where it is no part of the disk. */
export async function findPartition(
  disk: BlockReads,
  number: number,
  path: string,
  sectorBytes?: number,
): Promise<Partition> {
  const found = await partitionsOf(disk, path, sectorBytes);
  const partition = found.find((each) => each.number === number);
  if (partition === undefined) {
    const have = found.map((each) => `${each.number} (${formatSize(each.sizeBytes)})`).join(', ');
    const what = found.length === 0 ? 'no partition table' : `the partitions ${have}`;
    throw new AshlarError('not-found', `'${path}' has no partition ${number}: it has ${what}`, { path });
  }
  const { offset, sizeBytes } = partition;
  if (sizeBytes <= 0 || offset + sizeBytes > disk.sizeBytes || offset % disk.blockSizes.minimum !== 0) {
    throw new AshlarError('corrupt', `the partition ${number} of '${path}' lies beyond its end, or nowhere`, { path });
  }
  return partition;
}
