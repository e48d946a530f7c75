import { KiB } from '@ashlar/core';
import { run } from './process.ts';

/** What fio does to a server. */
export type Load = {
  readonly rw: 'randread' | 'randwrite' | 'randrw' | 'read' | 'write';
  readonly blockBytes: number;
  readonly depth: number;
  /** Connections, each with `depth` requests in flight. */
  readonly connections: number;
  /** A flush after each so many writes; 0 for none. */
  readonly flushEvery: number;
  /** Sequential loads leave out so many bytes after each request. */
  readonly gapBytes?: number;
  /** Of a load over a size: how many bytes in all, where not as many as that has. */
  readonly ioBytes?: number;
};

/** A load of one connection without flushes. */
export const loadOf = (rw: Load['rw'], blockBytes: number, depth: number): Load => ({
  rw,
  blockBytes,
  depth,
  connections: 1,
  flushEvery: 0,
});

/** How long fio does it: for a time, or once over a range. */
type Extent = { readonly seconds: number } | { readonly sizeBytes: number };

/** Latencies are those of whole requests; of reads and writes together the greater one. */
export type Throughput = {
  readonly operations: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly operationsPerSecond: number;
  readonly medianMicros: number;
  readonly p999Micros: number;
};

type Direction = {
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly runtime: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
};

type FioOutput = {
  readonly jobs: readonly { readonly error: number; readonly read: Direction; readonly write: Direction }[];
};

/** With gaps fio would begin again at the start until it had written the whole size. */
function onceOver(sizeBytes: number, { blockBytes, gapBytes = 0, ioBytes }: Load): string[] {
  return [`--size=${sizeBytes}`, `--io_size=${ioBytes ?? (sizeBytes / (blockBytes + gapBytes)) * blockBytes}`];
}

/** The options of fio's nbd engine for a load. 70 of 100 requests of `randrw` are reads. */
export function fioOptions(uri: string, load: Load, extent: Extent): string[] {
  const range =
    'seconds' in extent ? ['--time_based', `--runtime=${extent.seconds}`] : onceOver(extent.sizeBytes, load);
  return [
    '--name=bench',
    '--ioengine=nbd',
    `--uri=${uri}`,
    `--rw=${load.rw}${load.gapBytes === undefined ? '' : `:${load.gapBytes}`}`,
    `--bs=${load.blockBytes / KiB}k`,
    `--iodepth=${load.depth}`,
    `--numjobs=${load.connections}`,
    ...(load.rw === 'randrw' ? ['--rwmixread=70'] : []),
    ...(load.flushEvery > 0 ? [`--fsync=${load.flushEvery}`] : []),
    ...range,
    '--thread',
    '--group_reporting',
    '--norandommap',
    '--randrepeat=0',
    '--percentile_list=50:99.9',
    '--output-format=json',
  ];
}

const micros = (direction: Direction, percentile: string): number =>
  direction.total_ios === 0 ? 0 : (direction.clat_ns.percentile?.[percentile] ?? 0) / 1000;

/** What fio's JSON says. fio writes notes before it. */
export function parseFio(text: string): Throughput {
  const { jobs } = JSON.parse(text.slice(text.indexOf('\n{') + 1)) as FioOutput;
  const job = jobs[0];
  if (job === undefined || job.error !== 0) throw new Error(`fio met the error ${job?.error}`);
  const directions = [job.read, job.write];
  const operations = directions.reduce((sum, { total_ios }) => sum + total_ios, 0);
  const seconds = Math.max(...directions.map(({ runtime }) => runtime)) / 1000;
  return {
    operations,
    bytes: directions.reduce((sum, { io_bytes }) => sum + io_bytes, 0),
    seconds,
    operationsPerSecond: operations / seconds,
    medianMicros: Math.max(...directions.map((direction) => micros(direction, '50.000000'))),
    p999Micros: Math.max(...directions.map((direction) => micros(direction, '99.900000'))),
  };
}

export async function fio(uri: string, load: Load, extent: Extent): Promise<Throughput> {
  return parseFio(`\n${await run('fio', fioOptions(uri, load, extent))}`);
}
