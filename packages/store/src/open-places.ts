import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { DevicePlaces } from './device-places.ts';
import { FilePlaces } from './file-places.ts';
import type { Superblock } from './format/superblock.ts';
import type { SlotPlaces } from './slot-places.ts';

/** `named`: the device that is asked for. */
type Wanted = { readonly named: string | undefined; readonly isNew: boolean };

/** Opens what a pool's slots lie in. Fails as `DevicePlaces.open`, and with `invalid` where a device is named for a pool that has its data in files. */
export async function openPlaces(
  host: Host,
  path: string,
  superblock: Superblock,
  { named, isNew }: Wanted,
): Promise<SlotPlaces> {
  const { chunkSizeBytes, device: last, poolId } = superblock;
  if (last !== undefined) return await DevicePlaces.open(host, named ?? last, poolId, isNew);
  if (named !== undefined) {
    const message = `the pool in ${path} has its data in files, and goes on so: pool.device is for a new pool`;
    throw new AshlarError('invalid', message, { path });
  }
  const directory = `${path}/data`;
  if (host.stat(directory) === undefined) host.makeDirectory(directory);
  return new FilePlaces(host, directory, chunkSizeBytes);
}
