import type { RollBackRecord, VolumeRecord } from './records.ts';
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

export async function carryResize(
  { stores, record }: Parts,
  intent: VolumeRecord & { readonly resizingTo: number },
): Promise<Volume> {
  const { resizingTo, ...before } = intent;
  await record(intent);
  try {
    await stores.resize(intent, resizingTo);
  } catch (error) {
    await record(before);
    throw error;
  }
  const volume: Volume = { ...before, sizeBytes: resizingTo };
  await record(volume);
  return volume;
}

/** Back to what its newest snapshot has. Nobody has it open. */
export async function carryRollBack(
  { stores, record }: Parts,
  intent: VolumeRecord & { readonly rollingBackTo: RollBackRecord },
): Promise<Volume> {
  const { rollingBackTo, ...before } = intent;
  await record(intent);
  try {
    await stores.rollBack(intent.storeId, rollingBackTo.snapshotId);
  } catch (error) {
    await record(before);
    throw error;
  }
  const volume: Volume = { ...before, sizeBytes: rollingBackTo.sizeBytes };
  await record(volume);
  return volume;
}
