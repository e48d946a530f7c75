import { readOnlyDevice, sliceDevice } from '@ashlar/block';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { Sharing } from '../sharing.ts';
import { findPartition } from './partition-table.ts';
import type { Partition } from './partition.ts';

/** A disk whose partitions may be open at once. `sectorBytes` of a device that knows it. */
export type PartitionedDisk = { readonly disk: BlockDevice; readonly sectorBytes: number | undefined };

export type PartitionSource = {
  /** The same for all partitions of a disk that is opened in the same way. */
  readonly name: string;
  /** What errors call it. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly openDisk: () => Promise<PartitionedDisk>;
};

/** Disks that are open in this thread, each once however many of their partitions are. */
const open = new Sharing<PartitionedDisk>(({ disk }) => disk.close());

type Use = Partition & { readonly readOnly: boolean };

const usesOf = new WeakMap<BlockDevice, Set<Use>>();

/**
 * One partition as a device of its own, while others of the same disk may be open in this thread as well. Fails as `openDisk` and `findPartition`, and with
 * `busy` where it is open already, and one of both writes.
 */
export async function openPartition(number: number, source: PartitionSource): Promise<BlockDevice> {
  const { name, openDisk, path, readOnly } = source;
  const shared = await open.open(name, readOnly, openDisk);
  try {
    const { disk, sectorBytes } = shared.value;
    const use = { ...(await findPartition(disk, number, path, sectorBytes)), readOnly };
    const uses = usesOf.get(disk) ?? new Set();
    usesOf.set(disk, uses);
    for (const other of uses) refuseBoth(use, other, path);
    uses.add(use);
    const closed = (): Promise<void> => {
      uses.delete(use);
      return shared.release();
    };
    const device = sliceDevice(disk, use.offset, use.sizeBytes, closed);
    return readOnly ? readOnlyDevice(device) : device;
  } catch (error) {
    await shared.release();
    throw error;
  }
}

/** A table may say of two partitions that they have the same bytes. */
function refuseBoth(use: Use, other: Use, path: string): void {
  const isApart = use.offset + use.sizeBytes <= other.offset || other.offset + other.sizeBytes <= use.offset;
  if (isApart || (use.readOnly && other.readOnly)) return;
  const what = use.number === other.number ? 'is' : `has bytes of the partition ${other.number}, which is`;
  throw new AshlarError('busy', `the partition ${use.number} of '${path}' ${what} in use`, { path });
}
