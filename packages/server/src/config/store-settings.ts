import { totalmem } from 'node:os';
import { MiB } from '@ashlar/core';
import type { WorkerSettings } from '@ashlar/plane';
import type { Config } from './schema.ts';

/** Of what the process may use: the machine's memory, or less where its control group allows less. */
const cacheShare = 1 / 8;

/** The store's part of the configuration as the data worker is given it. */
export function storeSettings(store: Config['store']): WorkerSettings['store'] {
  const { cacheSize } = store;
  return {
    ...store,
    cacheSize: cacheSize === 'auto' ? automaticCacheSize(totalmem(), process.constrainedMemory()) : cacheSize,
  };
}

/** `limitBytes`: 0, or more than there is, where the process has no limit of its own. */
export function automaticCacheSize(totalBytes: number, limitBytes: number): number {
  const memory = limitBytes > 0 ? Math.min(totalBytes, limitBytes) : totalBytes;
  return Math.floor((memory * cacheShare) / MiB) * MiB;
}

/** Most that the pool's data may take; nothing: what the disk has. */
export function capacityOf({ pool: { capacity } }: Config): number | undefined {
  return capacity === 'auto' ? undefined : capacity;
}
