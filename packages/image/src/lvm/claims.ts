import { resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from '../lock.ts';

/** A device or file that is ours alone as long as it is open. Close it by `release`, once. */
export type Claim = { readonly file: HostFile; release(): void };

/** Opens for writing what nobody else uses: no mount, no device-mapper, no other program of ours. Throws `busy` else. */
export function claim(host: Host, path: string): Claim {
  const file = open(host, path);
  return { file, release: () => file.close() };
}

function open(host: Host, path: string): HostFile {
  const isDevice = host.stat(path)?.kind === 'device';
  const loop = isDevice ? undefined : loopOver(host, resolve(path));
  if (loop !== undefined) {
    throw new AshlarError('busy', `'${path}' is attached to ${loop}: name that, or detach it first`, { path });
  }
  return openLocked(host, path, 'write', { exclusive: isDevice });
}

const blockDevices = '/sys/block';

/** The loop device that has the file. */
function loopOver(host: Host, path: string): string | undefined {
  if (host.stat(blockDevices) === undefined) return undefined;
  return host
    .list(blockDevices)
    .filter((name) => name.startsWith('loop'))
    .map((name) => ({ name, backing: textOf(host, `${blockDevices}/${name}/loop/backing_file`) }))
    .filter(({ backing }) => backing === path)
    .map(({ name }) => `/dev/${name}`)[0];
}

function textOf(host: Host, path: string): string | undefined {
  if (host.stat(path) === undefined) return undefined;
  const file = host.open(path, { readOnly: true });
  try {
    const into = Buffer.alloc(4096);
    return into.toString('utf8', 0, file.readSync(0, into)).trim();
  } finally {
    file.close();
  }
}
