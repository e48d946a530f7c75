import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { formatSize, MiB } from '@ashlar/core';
import type { ScrubView } from '@ashlar/server';
import { ask } from './admin.ts';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, parseFio } from './fio.ts';
import { ashlar } from './peers.ts';
import { run } from './process.ts';
import { untilIdle } from './process-usage.ts';
import type { Scale } from './scale.ts';
import { median, medianRatio } from './statistics.ts';

const askMs = 20;

/** Bytes a second, turn by turn. */
export type ScrubResult = {
  readonly sizeBytes: number;
  readonly disk: readonly number[];
  readonly scrub: readonly number[];
};

/** The same bytes of the same file, past the page cache. */
async function diskRate(path: string, sizeBytes: number): Promise<number> {
  const output = await run('fio', [
    '--name=disk',
    `--filename=${path}`,
    `--size=${sizeBytes}`,
    '--rw=read',
    '--bs=1m',
    '--iodepth=8',
    '--ioengine=libaio',
    '--direct=1',
    '--readonly',
    '--output-format=json',
  ]);
  const { bytes, seconds } = parseFio(`\n${output}`);
  return bytes / seconds;
}

async function scrubRate(directory: string): Promise<number> {
  await ask(directory, 'POST', '/v1/scrub', { action: 'start', bytesPerSecond: null });
  for (;;) {
    const { state, started, ended, doneBytes } = JSON.parse(await ask(directory, 'GET', '/v1/scrub')) as ScrubView;
    if (state === 'done') return doneBytes / ((Date.parse(ended ?? '') - Date.parse(started ?? '')) / 1000);
    if (state !== 'running') throw new Error(`the scrub is ${state}`);
    await delay(askMs);
  }
}

/** How fast a scrub of a full volume goes, its look at the database with it, in turns with a plain read of the file that it reads. */
export async function measureScrub(
  directory: string,
  { scrubBytes: sizeBytes, pairs }: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<ScrubResult> {
  const running = await ashlar.start({ directory, sizeBytes });
  cleanup.add(() => running.stop());
  await fio(running.uri, { rw: 'write', blockBytes: MiB, depth: 8, connections: 1, flushEvery: 0 }, { sizeBytes });
  await untilIdle(running.pid);
  say(`scrub: ${formatSize(sizeBytes)} are written`);
  const rates = { disk: [] as number[], scrub: [] as number[] };
  for (let round = 0; round < pairs; round += 1) {
    rates.disk.push(await diskRate(join(directory, 'pool/data/000000'), sizeBytes));
    rates.scrub.push(await scrubRate(directory));
    await untilIdle(running.pid);
    say(`scrub: ${formatSize(rates.scrub.at(-1)!)} a second, the disk ${formatSize(rates.disk.at(-1)!)}`);
  }
  await running.stop();
  return { sizeBytes, ...rates };
}

export function scrubFigure({ sizeBytes, disk, scrub }: ScrubResult): Figure {
  return {
    name: `scrub of ${formatSize(sizeBytes)}, to fio's direct sequential read of the same file`,
    value: medianRatio(scrub, disk),
    unit: 'x',
    floor: 0.5,
    aim: 0.9,
    note: `${formatSize(median(scrub))} a second`,
  };
}
