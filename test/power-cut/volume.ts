import { AshlarError, type ObjectId, type ObjectReader, type ObjectStore, type SnapshotId } from '@ashlar/core';
import { blockBytes, versionIn } from '../faults/marked-blocks.ts';
import { volumeBlocks } from './ledger.ts';
import type { Found } from './expectation.ts';

const objectKey = Buffer.from('object');

/** Which blocks of a volume have what they should says their place: no two volumes have the same. */
export const placeOf = (volume: number, block: number): number => volume * volumeBlocks + block;

/** Makes the volume's object, and a record that names it. Durable when it settles. */
export async function createObject(store: ObjectStore): Promise<ObjectId> {
  const object = await store.create(volumeBlocks * blockBytes, 'off');
  await store.commit([{ key: objectKey, value: Buffer.from(String(object)) }], true);
  return object;
}

/** Reads all that a volume has, now and in its snapshots. */
export async function readVolume(store: ObjectStore, volume: number): Promise<Found> {
  const object = await objectOf(store);
  const snapshots = new Map<SnapshotId, readonly (number | undefined)[]>();
  for (const { id } of store.snapshots()) {
    const view = store.openSnapshot(id);
    snapshots.set(id, await versionsOf(view, object, volume));
    view.close();
  }
  return { object, versions: await versionsOf(store, object, volume), snapshots };
}

/** The object that the record names, if it is there. */
async function objectOf(store: ObjectStore): Promise<ObjectId | undefined> {
  const value = await store.getRecord(objectKey);
  if (value === undefined) return undefined;
  const object = Number(Buffer.from(value).toString());
  try {
    store.sizeOf(object);
    return object;
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'not-found') return undefined;
    throw error;
  }
}

async function versionsOf(
  reader: ObjectReader,
  object: ObjectId | undefined,
  volume: number,
): Promise<readonly (number | undefined)[]> {
  const bytes = new Uint8Array(volumeBlocks * blockBytes);
  if (object !== undefined) await reader.read(object, 0, bytes);
  return Array.from({ length: volumeBlocks }, (_, block) =>
    versionIn(bytes.subarray(block * blockBytes, (block + 1) * blockBytes), placeOf(volume, block)),
  );
}
