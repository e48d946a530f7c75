import { resolve } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import { createFileDevice } from '../raw/file-device.ts';
import { Sharing, type Shared } from '../sharing.ts';
import { openClaimed } from './claims.ts';

/** Physical volumes that are open in this thread, each once however many logical volumes lie on it. */
const open = new Sharing<BlockDevice>((device) => device.close());

/**
 * Opens a physical volume. Who writes has it for this thread alone, as `openClaimed`; who reads shares it with whoever reads, and with those who
 * write in this thread. Fails with `busy` else.
 */
export function openPhysical(host: Host, path: string, readOnly: boolean): Promise<Shared<BlockDevice>> {
  return open.open(resolve(path), readOnly, () => {
    const file = readOnly ? openLocked(host, path, 'read') : openClaimed(host, path);
    return createFileDevice(file, { readOnly });
  });
}
