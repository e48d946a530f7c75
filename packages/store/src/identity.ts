import { isDeepStrictEqual } from 'node:util';
import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import { deviceSlotBytes } from './device-places.ts';
import {
  chunkSizes,
  dataOnDevice,
  decodeSuperblock,
  encodeSuperblock,
  recordLog,
  type Superblock,
} from './format/superblock.ts';

const nameIn = (path: string): string => `${path}/ashlar.pool`;

/** The pool's superblock, if the directory has a pool. Throws as `decodeSuperblock`. */
export function identityOf(host: Host, path: string): Superblock | undefined {
  return host.stat(nameIn(path)) === undefined ? undefined : readIdentity(host, path);
}

/** The same of a directory that is known to have one. */
export function readIdentity(host: Host, path: string): Superblock {
  const name = nameIn(path);
  const file = host.open(name, { readOnly: true });
  try {
    const block = new Uint8Array(blockSize);
    file.readSync(0, block);
    return decodeSuperblock(block, name);
  } finally {
    file.close();
  }
}

/** Throws `invalid`. `device`: the data is to lie there, in slots of its own size. */
export function newIdentity(host: Host, wantedBytes: number, device: string | undefined): Superblock {
  const chunkSizeBytes = device === undefined ? wantedBytes : deviceSlotBytes;
  if (!chunkSizes.includes(chunkSizeBytes)) {
    throw new AshlarError('invalid', 'the chunk size of a pool is 64, 128 or 256 KiB');
  }
  const id = new Uint8Array(16);
  host.random.fill(id);
  const poolId = Buffer.from(id).toString('hex');
  const superblock = { poolId, chunkSizeBytes, compatible: 0, readOnlyCompatible: recordLog, incompatible: 0 };
  return device === undefined ? superblock : { ...superblock, device, incompatible: dataOnDevice };
}

/** Comes last in a new pool, and is renamed into place, so that it is there whole or not at all. */
export async function publishIdentity(host: Host, path: string, superblock: Superblock): Promise<void> {
  const name = nameIn(path);
  const file = host.open(`${name}.new`, { create: true });
  try {
    await file.write(0, encodeSuperblock(superblock));
    await file.sync();
  } finally {
    file.close();
  }
  host.rename(`${name}.new`, name);
  await host.syncDirectory(path);
}

/** Sets bits of features: programs that do not know them refuse the pool from then on. Durable when it settles. */
export async function addFeatures(
  host: Host,
  path: string,
  features: Partial<Pick<Superblock, 'readOnlyCompatible' | 'incompatible'>>,
): Promise<void> {
  const { readOnlyCompatible, incompatible } = readIdentity(host, path);
  await changeIdentity(host, path, {
    readOnlyCompatible: readOnlyCompatible | (features.readOnlyCompatible ?? 0),
    incompatible: incompatible | (features.incompatible ?? 0),
  });
}

/** Says something else of a pool that is there. Nothing is written where it says that already. Durable when it settles. */
export async function changeIdentity(host: Host, path: string, change: Partial<Superblock>): Promise<void> {
  const superblock = readIdentity(host, path);
  const changed = { ...superblock, ...change };
  if (!isDeepStrictEqual(changed, superblock)) await publishIdentity(host, path, changed);
}
