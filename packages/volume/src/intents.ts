import type { VolumeRecord } from './records.ts';
import type { VolumeStores } from './stores.ts';
import type { Volume } from './types.ts';

/**
 * Changes of a volume that take several steps. What it is on its way to is on record before the first of them, so that a start
 * ends what a stop interrupted.
 */
type Parts = {
  readonly stores: VolumeStores;
  /** Durable when it settles. */
  readonly record: (volume: VolumeRecord) => Promise<void>;
};

export function isIntent({ resizingTo, rollingBackTo, compressingTo }: VolumeRecord): boolean {
  return resizingTo !== undefined || rollingBackTo !== undefined || compressingTo !== undefined;
}

/** To another size, compressed or not, or back to what its newest snapshot has: then nobody has it open. It is on its way to one of them. */
export async function carryThrough({ stores, record }: Parts, intent: VolumeRecord): Promise<Volume> {
  const { resizingTo, rollingBackTo, compressingTo, ...before } = intent;
  await record(intent);
  try {
    if (resizingTo !== undefined) await resize(stores, before, resizingTo);
    if (compressingTo !== undefined) await stores.setCompression(before.storeId, compressingTo);
    if (rollingBackTo !== undefined) await stores.rollBack(before, rollingBackTo.snapshotId);
  } catch (error) {
    await record(before);
    throw error;
  }
  const volume = {
    ...before,
    sizeBytes: rollingBackTo?.sizeBytes ?? resizingTo ?? before.sizeBytes,
    ...(compressingTo === undefined ? {} : { compression: compressingTo }),
  };
  await record(volume);
  return volume;
}

const resize = (stores: VolumeStores, volume: Volume, sizeBytes: number) =>
  volume.type === 'file' ? stores.resizeTree(volume, sizeBytes) : stores.resize(volume, sizeBytes);
