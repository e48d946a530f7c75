import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from './lock.ts';
import { mendedHeader } from './qcow2/check/mended-header.ts';
import { probeFormat } from './qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot } from './qcow2/snapshots/snapshots.ts';

/** Keeps what an image has under a name; goes back to that; removes it. */
export type SnapshotAction = 'create' | 'apply' | 'delete';

/**
 * Changes the snapshots within an image: `name` may be an id as well where there is one. It is done whole or not at all, whatever is cut off. Fails as
 * `openImage`, with `not-found`, `unsupported` where the format has none, `invalid` where its refcounts are too small.
 */
export async function changeSnapshots(host: Host, path: string, action: SnapshotAction, name: string): Promise<void> {
  const file = openLocked(host, path, 'write');
  try {
    if ((await probeFormat(file)) === 'raw') {
      throw new AshlarError('unsupported', `'${path}' is a raw image, and has no snapshots`, { path });
    }
    const opened = { file, header: await mendedHeader(file, path) };
    if (action === 'create') await createSnapshot(opened, name, host.clock.wallMs());
    else if (action === 'apply') await applySnapshot(opened, name);
    else await deleteSnapshot(opened, name);
  } finally {
    file.close();
  }
}
