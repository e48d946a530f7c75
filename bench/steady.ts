import { join } from 'node:path';
import { formatSize, GiB, KiB, MiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, type Load, type Throughput } from './fio.ts';
import { metricsOf } from './metrics.ts';
import { ashlar, nbdkitFile, type Running } from './peers.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { median, medianRatio } from './statistics.ts';

const load: Load = { rw: 'randwrite', blockBytes: 4 * KiB, depth: 16, connections: 1, flushEvery: 0 };

export type SteadyResult = {
  readonly ashlar: readonly Throughput[];
  readonly nbdkit: readonly Throughput[];
  readonly journalBytes: number;
  readonly overlayBytes: number;
};

/** Does something again, one second after it began the last time at the earliest, until the body is done. */
async function whileEachSecond<T>(again: () => Promise<void>, body: () => Promise<T>): Promise<T> {
  let busy: Promise<void> | undefined;
  const failures: unknown[] = [];
  const timer = setInterval(() => {
    busy ??= again()
      .catch((error: unknown) => void failures.push(error))
      .finally(() => (busy = undefined));
  }, 1000);
  const result = await body().finally(() => clearInterval(timer));
  await busy;
  if (failures.length > 0) throw failures[0];
  return result;
}

/** A turn at a server that keeps nothing safe by itself: a second client flushes each second. */
async function flushedTurn(uri: string, seconds: number): Promise<Throughput> {
  const device = await openNbd(uri, { reconnectMs: 0 });
  try {
    return await whileEachSecond(
      async () => device.flush(),
      () => fio(uri, load, { seconds }),
    );
  } finally {
    await device.close();
  }
}

/** Random writes for a long while after several times the journal's size was written. */
export async function measureSteady(
  directory: string,
  { pairs, steady }: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<SteadyResult> {
  const { sizeBytes, journalBytes, seconds } = steady;
  const environment = { ASHLAR_STORE_JOURNAL_SIZE: String(journalBytes) };
  const start = async (server: typeof ashlar, name: string): Promise<Running> => {
    const running = await server.start({ directory: join(directory, name), sizeBytes, environment });
    cleanup.add(() => running.stop());
    await fio(running.uri, load, { sizeBytes: 4 * journalBytes });
    say(`steady: ${formatSize(4 * journalBytes)} are written to ${server.name}`);
    return running;
  };
  const ours = await start(ashlar, 'ashlar');
  const theirs = await start(nbdkitFile, 'nbdkit-file');
  const turns = { ashlar: [] as Throughput[], nbdkit: [] as Throughput[] };
  const most = { journal: 0, overlay: 0 };
  const look = async (): Promise<void> => {
    const metrics = await metricsOf(ours.directory);
    most.journal = Math.max(most.journal, metrics.get('ashlar_pool_journal_bytes') ?? Number.NaN);
    most.overlay = Math.max(most.overlay, metrics.get('ashlar_pool_overlay_bytes') ?? Number.NaN);
  };
  for (let round = 0; round < pairs; round += 1) {
    await settled(directory);
    turns.ashlar.push(await whileEachSecond(look, () => fio(ours.uri, load, { seconds })));
    await settled(directory);
    turns.nbdkit.push(await flushedTurn(theirs.uri, seconds));
    const [a, b] = [turns.ashlar, turns.nbdkit].map((each) => Math.round(each.at(-1)!.operationsPerSecond));
    say(`steady: ashlar ${a}, nbdkit file ${b} operations a second`);
  }
  await ours.stop();
  await theirs.stop();
  return { ...turns, journalBytes: most.journal, overlayBytes: most.overlay };
}

export function steadyFigures(result: SteadyResult, { quick, steady }: Scale): Figure[] {
  const rates = (turns: readonly Throughput[]): number[] => turns.map((turn) => turn.operationsPerSecond);
  const spreadOf = (turns: readonly Throughput[]): number =>
    median(turns.map(({ p999Micros, medianMicros }) => p999Micros / medianMicros));
  const note = quick ? { note: `${formatSize(steady.sizeBytes)} for ${steady.seconds} s` } : {};
  const peerSpread = { note: `nbdkit file: ${spreadOf(result.nbdkit).toFixed(1)} times` };
  const name = '4k randwrite in steady state, depth 16';
  return [
    {
      name: `${name}, to nbdkit file flushed each second`,
      value: medianRatio(rates(result.ashlar), rates(result.nbdkit)),
      unit: 'x',
      floor: 0.5,
      aim: 0.8,
      ...note,
    },
    {
      name: `${name}, p99.9 to the median`,
      value: spreadOf(result.ashlar),
      unit: 'times',
      floor: 10,
      aim: 10,
      ...peerSpread,
    },
    {
      name: `${name}, journal`,
      value: result.journalBytes / MiB,
      unit: 'MiB',
      floor: GiB / MiB,
      aim: GiB / MiB,
      ...note,
    },
    { name: `${name}, overlay`, value: result.overlayBytes / MiB, unit: 'MiB', floor: 256, aim: 256, ...note },
  ];
}
