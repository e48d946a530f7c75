import { existsSync } from 'node:fs';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { openNbd, parseNbdUri } from '@ashlar/nbd';
import type { ExportView, VolumeView } from '@ashlar/server';
import { exportPath, volumePath } from '../api-paths.ts';
import type { AdminClient } from '../client.ts';

/** Attaches to a volume, or a snapshot of it, by the first export that it has. Throws `not-found` where it has none. */
export async function attach(client: AdminClient, volume: string, snapshot?: string): Promise<BlockDevice> {
  const { exports, type } = await client.get<VolumeView>(volumePath(volume));
  if (type === 'file') {
    throw new AshlarError('unsupported', `'${volume}' is a file volume, which cannot be sent or received yet`);
  }
  const [name] = exports;
  if (name === undefined) {
    throw new AshlarError(
      'not-found',
      `the volume '${volume}' is not offered, and its contents go over NBD: run 'ashlar export add ${volume} ${volume}' first`,
    );
  }
  const { uris } = await client.get<ExportView>(exportPath(name));
  // A socket in the file system is the shortest way, where the server is on this machine.
  const local = uris.find((each) => {
    const { at } = parseNbdUri(each);
    return 'path' in at && existsSync(at.path);
  });
  const [uri = ''] = local === undefined ? uris : [local];
  const url = new URL(uri);
  if (snapshot !== undefined) url.pathname = `/${name}@${snapshot}`;
  return await openNbd(url.href, { reconnectMs: 0 });
}
