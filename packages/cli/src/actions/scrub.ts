import { setTimeout as delay } from 'node:timers/promises';
import { formatSize } from '@ashlar/core';
import type { ScrubView } from '@ashlar/server';
import { AdminClient } from '../client.ts';
import { exitStatus } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { facts, show } from '../output.ts';
import { withBar } from '../progress.ts';

type Rate = { readonly rate?: number };

export type StartOptions = ServerOptions & Rate & { readonly wait?: boolean };

const path = '/v1/scrub';
const askMs = 200;

function describe(scrub: ScrubView): string {
  const { state, started, ended, doneBytes, totalBytes, damagedBytes, damagedPages, findings } = scrub;
  if (state === 'never') return "no scrub since the server was started: begin one with 'ashlar scrub start'";
  const damaged = damagedBytes === 0 && damagedPages === 0 ? 'nothing' : formatSize(damagedBytes);
  const lines = findings.map(({ volume, snapshot, objectId, offset, length }) => {
    const owner = volume === undefined ? `object ${objectId} of no volume` : `volume ${volume}`;
    return `  ${owner}${snapshot === undefined ? '' : ` in snapshot ${snapshot}`}: ${length} bytes at ${offset}`;
  });
  return [
    facts([
      ['state', state],
      ['started', started],
      ['ended', ended],
      ['read', `${formatSize(doneBytes)} of at most ${formatSize(totalBytes)}`],
      ['damaged', damaged],
      ['damaged pages', damagedPages === 0 ? undefined : String(damagedPages)],
    ]),
    ...lines,
  ].join('\n');
}

const body = (action: string, { rate }: Rate): object => ({
  action,
  ...(rate === undefined ? {} : { bytesPerSecond: rate }),
});

async function send(action: string, options: ServerOptions & Rate): Promise<void> {
  show(options.json, await AdminClient.find(options).post<ScrubView>(path, body(action, options)), describe);
}

/** Gives the status that the process should end with. */
export async function start(options: StartOptions): Promise<number> {
  const client = AdminClient.find(options);
  let scrub = await client.post<ScrubView>(path, body('start', options));
  if (options.wait === true) {
    scrub = await withBar('verified', async (progress) => {
      for (let now = scrub; ; now = await client.get<ScrubView>(path)) {
        progress(now.doneBytes, now.totalBytes);
        if (now.state !== 'running' && now.state !== 'paused') return now;
        await delay(askMs);
      }
    });
  }
  show(options.json, scrub, describe);
  return scrub.damagedBytes + scrub.damagedPages === 0 ? exitStatus.done : exitStatus.failed;
}

export async function status(options: ServerOptions): Promise<void> {
  show(options.json, await AdminClient.find(options).get<ScrubView>(path), describe);
}

export const pause = (options: ServerOptions): Promise<void> => send('pause', options);
export const resume = (options: ServerOptions & Rate): Promise<void> => send('resume', options);
export const stop = (options: ServerOptions): Promise<void> => send('stop', options);
