import { randomFillSync } from 'node:crypto';
import { formatSize, KiB, MiB, type BlockDevice } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { metricsOf } from './metrics.ts';
import { ashlar } from './peers.ts';
import { residentBytes, untilAtRest, withPeak } from './process-usage.ts';
import type { Scale } from './scale.ts';

export const chunkBytes = 256 * KiB;
const blockBytes = 4 * KiB;
const inFlight = 32;

export type FootprintResult = {
  readonly sizeBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly cacheBytes: number;
  readonly overlayBytes: number;
};

/** One block of random bytes at a random place of every chunk. */
async function touchEveryChunk(device: BlockDevice): Promise<void> {
  const chunks = device.sizeBytes / chunkBytes;
  let next = 0;
  const lane = async (): Promise<void> => {
    const block = randomFillSync(new Uint8Array(blockBytes));
    for (let chunk = next++; chunk < chunks; chunk = next++) {
      const place = Math.floor(Math.random() * (chunkBytes / blockBytes));
      block[0] = chunk;
      await device.write(chunk * chunkBytes + place * blockBytes, block, false);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await device.flush();
}

/** Memory of a server whose volume has something in each of its chunks. */
export async function measureFootprint(
  directory: string,
  { footprintBytes }: Scale,
  cleanup: Cleanup,
): Promise<FootprintResult> {
  const running = await ashlar.start({ directory, sizeBytes: footprintBytes });
  cleanup.add(() => running.stop());
  const device = await openNbd(running.uri, { reconnectMs: 0 });
  const { peakBytes } = await withPeak(running.pid, () => touchEveryChunk(device));
  await untilAtRest(running.pid);
  const metrics = await metricsOf(directory);
  const result = {
    sizeBytes: footprintBytes,
    residentBytes: residentBytes(running.pid),
    peakBytes,
    cacheBytes: metrics.get('ashlar_pool_cache_bytes') ?? Number.NaN,
    overlayBytes: metrics.get('ashlar_pool_overlay_bytes') ?? Number.NaN,
  };
  await device.close();
  await running.stop();
  return result;
}

export function footprintFigure(result: FootprintResult, { quick }: Scale): Figure {
  return {
    name: `memory at rest with a block in every chunk of ${formatSize(result.sizeBytes)}, less its cache`,
    value: (result.residentBytes - result.cacheBytes) / MiB,
    unit: 'MiB',
    floor: 200,
    aim: 120,
    note: `${Math.round(result.peakBytes / MiB)} MiB at the most while it was written${quick ? '; asked for 100 GiB' : ''}`,
  };
}
