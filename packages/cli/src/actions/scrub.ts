import { setTimeout as delay } from 'node:timers/promises';
import { formatSize, foundDamage } from '@ashlar/core';
import type { ScrubView } from '@ashlar/server';
import { AdminClient } from '../client.ts';
import { exitStatus } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { facts, show } from '../output.ts';
import { withBar } from '../progress.ts';
import { damageText } from '../scrub-text.ts';

/** Bytes a second, Infinity for no bound. */
type Rate = { readonly rate?: number };

export type StartOptions = ServerOptions & Rate & { readonly wait?: boolean };

const path = '/v1/scrub';
const askMs = 200;

function describe(scrub: ScrubView): string {
  const lines = scrub.findings.map(({ volume, snapshot, objectId, offset, length }) => {
    const owner = volume === undefined ? `object ${objectId} of no volume` : `volume ${volume}`;
    return `  ${owner}${snapshot === undefined ? '' : ` in snapshot ${snapshot}`}: ${length} bytes at ${offset}`;
  });
  if (scrub.state === 'never') return "no scrub yet: begin one with 'ashlar scrub start'";
  const { state, reason, started, ended, completed, interruptions, doneBytes, totalBytes, bytesPerSecond, records } =
    scrub;
  return [
    facts([
      ['state', reason === undefined ? state : `${state}: ${reason}`],
      ['started', started],
      ['ended', ended],
      ['last that read everything', completed === ended ? undefined : completed],
      ['interrupted', interruptions === 0 ? undefined : `by ${interruptions} restarts, behind which it went on`],
      ['rate', bytesPerSecond === undefined ? undefined : `at most ${formatSize(bytesPerSecond)} a second`],
      ['read', `${formatSize(doneBytes)} of at most ${formatSize(totalBytes)}`],
      ['records', records === undefined ? undefined : (records.reason ?? `${records.records} looked at`)],
      ['damaged', damageText(scrub)],
    ]),
    ...lines,
  ].join('\n');
}

const body = (action: string, { rate }: Rate): object => ({
  action,
  ...(rate === undefined ? {} : { bytesPerSecond: rate === Infinity ? null : rate }),
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
  return scrub.state !== 'failed' && !foundDamage(scrub) ? exitStatus.done : exitStatus.failed;
}

export async function status(options: ServerOptions): Promise<void> {
  show(options.json, await AdminClient.find(options).get<ScrubView>(path), describe);
}

export const pause = (options: ServerOptions): Promise<void> => send('pause', options);
export const resume = (options: ServerOptions & Rate): Promise<void> => send('resume', options);
export const setRate = (rate: number, options: ServerOptions): Promise<void> => send('rate', { ...options, rate });
export const stop = (options: ServerOptions): Promise<void> => send('stop', options);
