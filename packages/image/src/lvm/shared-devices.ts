import { resolve } from 'node:path';
import type { BlockDevice, Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import { createFileDevice } from '../raw/file-device.ts';
import { openClaimed } from './claims.ts';

/** A device that others in this thread may have as well. `release` once: the last one closes it. */
export type SharedDevice = { readonly device: BlockDevice; release(): Settled<void> };

type Held = { readonly device: BlockDevice; count: number };

/** Physical volumes that are open in this thread, each once however many logical volumes lie on it. */
const held = new Map<string, Held>();

/**
 * Opens a physical volume. Who writes has it for this thread alone, as `openClaimed`; who reads shares it with whoever reads, and with those who
 * write in this thread. Throws `busy` else.
 */
export function openShared(host: Host, path: string, readOnly: boolean): SharedDevice {
  const file = resolve(path);
  const key =
    [`w:${file}`, ...(readOnly ? [`r:${file}`] : [])].find((each) => held.has(each)) ??
    `${readOnly ? 'r' : 'w'}:${file}`;
  const there = held.get(key) ?? { device: open(host, path, readOnly), count: 0 };
  there.count += 1;
  held.set(key, there);
  const release = (): Settled<void> => {
    there.count -= 1;
    if (there.count > 0) return;
    held.delete(key);
    return there.device.close();
  };
  return { device: there.device, release };
}

function open(host: Host, path: string, readOnly: boolean): BlockDevice {
  const file = readOnly ? openLocked(host, path, 'read') : openClaimed(host, path);
  return createFileDevice(file, { readOnly });
}
