import { setTimeout as delay } from 'node:timers/promises';
import { AshlarError, formatSize } from '@ashlar/core';
import type { VolumeView } from '@ashlar/server';
import { volumePath } from '../api-paths.ts';
import { AdminClient } from '../client.ts';
import { exitStatus } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { show } from '../output.ts';
import { withBar } from '../progress.ts';

const askMs = 200;

export type FlattenOptions = ServerOptions & { readonly wait: boolean; readonly stop?: boolean };

/** Gives the status that the process should end with. */
export async function flatten(name: string, options: FlattenOptions): Promise<number> {
  const client = AdminClient.find(options);
  const path = volumePath(name);
  const action = options.stop === true ? 'stop' : 'start';
  let volume = await client.post<VolumeView>(`${path}/flatten`, { action });
  if (options.wait && action === 'start') {
    volume = await withBar('copied or its own', async (progress) => {
      for (let now = volume; ; now = await client.get<VolumeView>(path)) {
        const { state, doneBytes, totalBytes } = now.flatten ?? { state: 'stopped', doneBytes: 0, totalBytes: 0 };
        progress(doneBytes, totalBytes);
        if (state !== 'running') return now;
        await delay(askMs);
      }
    });
  }
  const { flatten: done } = volume;
  if (done?.state === 'failed') throw new AshlarError('failed', `'${name}' stays a clone: ${done.reason}`);
  show(options.json, volume, () => describe(volume));
  return done === undefined || done.damagedBytes === 0 ? exitStatus.done : exitStatus.failed;
}

function describe({ name, origin, flatten: done }: VolumeView): string {
  if (done?.state === 'running')
    return `the volume ${name} is being flattened: 'ashlar volume show ${name}' says how far`;
  if (origin !== undefined) return `the volume ${name} stays a clone of ${origin}`;
  const damaged = done?.damagedBytes ?? 0;
  const flat = `the volume ${name} is no clone any more`;
  return damaged === 0 ? flat : `${flat}; ${formatSize(damaged)} of its origin were damaged, and are in it as well`;
}
