import { statfs } from 'node:fs/promises';
import { formatSize, GiB, KiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, type Load } from './fio.ts';
import { chunkBytes } from './footprint.ts';
import { ashlar, type Running } from './peers.ts';
import type { Scale } from './scale.ts';
import { median } from './statistics.ts';

const blockBytes = 4 * KiB;
/** What a chunk with one block takes on the disk: the block, its map and checksum entries, the host's own records. */
const bytesAChunk = 3 * blockBytes;

export type StartResult = { readonly sizeBytes: number; readonly chunks: number; readonly seconds: readonly number[] };

/** The first block of every chunk, by the quickest way that a client has. */
export const everyChunk: Load = {
  rw: 'write',
  blockBytes,
  depth: 64,
  connections: 1,
  flushEvery: 0,
  gapBytes: chunkBytes - blockBytes,
};

const burst: Load = { rw: 'randwrite', blockBytes, depth: 16, connections: 1, flushEvery: 0 };

/** The size that is asked for, or less where the file system has no room for what its chunks take. */
export async function fitting(directory: string, wantedBytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const chunks = Math.floor((bavail * bsize * 0.8) / bytesAChunk);
  const sizeBytes = Math.min(wantedBytes, chunks * chunkBytes);
  return Math.max(GiB, sizeBytes - (sizeBytes % GiB));
}

/** Kills a server in the middle of writes. */
async function killWhileWriting(running: Running): Promise<void> {
  const writing = fio(running.uri, burst, { seconds: 30 }).catch(() => undefined);
  const device = await openNbd(running.uri, { reconnectMs: 0 });
  const untilMs = performance.now() + 2000;
  while (performance.now() < untilMs) await device.read(0, new Uint8Array(blockBytes));
  await running.stop('SIGKILL');
  await writing;
  await device.close();
}

/** From the start of the process to the answer of the first read. */
export async function timeStart(start: () => Promise<Running>): Promise<{ running: Running; seconds: number }> {
  const fromMs = performance.now();
  const running = await start();
  const device = await openNbd(running.uri, { reconnectMs: 0 });
  await device.read(0, new Uint8Array(blockBytes));
  const seconds = (performance.now() - fromMs) / 1000;
  await device.close();
  return { running, seconds };
}

/** How long a server needs, after kill -9 in the middle of writes, until it answers for a volume with every chunk mapped. */
export async function measureStart(
  directory: string,
  { startBytes, starts }: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<StartResult> {
  const sizeBytes = await fitting(directory, startBytes);
  let running = await ashlar.start({ directory, sizeBytes });
  cleanup.add(() => running.stop());
  await fio(running.uri, everyChunk, { sizeBytes });
  say(`start: ${sizeBytes / chunkBytes} chunks are mapped`);
  const times: number[] = [];
  for (let round = 0; round < starts; round += 1) {
    await killWhileWriting(running);
    const started = await timeStart(() => ashlar.start({ directory, sizeBytes }));
    running = started.running;
    times.push(started.seconds);
  }
  await running.stop();
  return { sizeBytes, chunks: sizeBytes / chunkBytes, seconds: times };
}

export function startFigure({ sizeBytes, chunks, seconds }: StartResult): Figure {
  return {
    name: `start after kill -9 with ${formatSize(sizeBytes)} and ${chunks} chunks mapped`,
    value: median(seconds),
    unit: 's',
    floor: 3,
    aim: 1,
    ...(sizeBytes < 1024 * GiB ? { note: 'asked for 1 TiB and 4 Mi chunks' } : {}),
  };
}
