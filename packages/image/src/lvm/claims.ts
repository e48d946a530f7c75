import { resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import { blockDevicesWith } from './sysfs.ts';

/** Opens for writing what nobody else uses: no mount, no device-mapper, no other program of ours. Throws `busy` else. */
export function openClaimed(host: Host, path: string): HostFile {
  const isDevice = host.stat(path)?.kind === 'device';
  const loops = isDevice ? [] : blockDevicesWith(host, 'loop', 'loop/backing_file');
  const loop = loops.find(({ text }) => text === resolve(path));
  if (loop !== undefined) {
    throw new AshlarError('busy', `'${path}' is attached to ${loop.path}: name that, or detach it first`, { path });
  }
  return openLocked(host, path, 'write', { exclusive: isDevice });
}
