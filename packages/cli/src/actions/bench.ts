import { formatSize } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import type { ExportView } from '@ashlar/server';
import { Presets, SingleBar } from 'cli-progress';
import { Load, type LoadResult, type LoadSummary } from '../bench/load.ts';
import type { LoadOperation } from '../bench/operations.ts';
import { exportPath } from '../api-paths.ts';
import { AdminClient } from '../client.ts';
import { UsageError } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { show, table } from '../output.ts';

type Options = ServerOptions & {
  readonly op: LoadOperation;
  readonly size: number;
  readonly depth: number;
  readonly connections: number;
  readonly seconds: number;
  readonly range?: number;
  readonly readPercent: number;
  readonly flushEvery: number;
  readonly overwrite?: boolean;
};

/** An NBD URI as it is, or an export of the server by its name. */
async function uriOf(target: string, options: Options): Promise<string> {
  if (/^nbds?(\+unix)?:/.test(target)) return target;
  const { uris } = await AdminClient.find(options).get<ExportView>(exportPath(target));
  const [uri] = uris;
  if (uri !== undefined) return uri;
  throw new UsageError(`the export '${target}' has no address: name an NBD URI`);
}

/** Runs the load; a bar on a terminal shows how far it is. */
async function withProgress(load: Load, seconds: number): Promise<LoadResult> {
  if (!process.stderr.isTTY) return load.run();
  const format = '{bar} {value}/{total} s  {rate} operations/s';
  const bar = new SingleBar(
    { format, stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(seconds, 0, { rate: 0 });
  const timer = setInterval(() => {
    const { elapsedMs, operations } = load.progress;
    bar.update(Math.min(seconds, Math.floor(elapsedMs / 1000)), { rate: Math.round((operations / elapsedMs) * 1000) });
  }, 250);
  try {
    return await load.run();
  } finally {
    clearInterval(timer);
    bar.stop();
  }
}

function describe(result: LoadResult): string {
  const rows = (['read', 'write', 'flush'] as const).flatMap((kind): [string, LoadSummary][] => {
    const found = result[kind];
    return found === undefined ? [] : [[kind, found]];
  });
  const micros = (title: string, pick: (found: LoadSummary) => number) => ({
    title,
    text: ([, found]: [string, LoadSummary]) => pick(found).toFixed(0),
    right: true,
  });
  return table<[string, LoadSummary]>(
    [
      { title: 'OPERATION', text: ([kind]) => kind },
      { title: 'COUNT', text: ([, { operations }]) => String(operations), right: true },
      { title: 'PER SECOND', text: ([, { operationsPerSecond }]) => operationsPerSecond.toFixed(0), right: true },
      {
        title: 'BYTES/S',
        text: ([kind, { bytesPerSecond }]) => (kind === 'flush' ? '' : formatSize(bytesPerSecond)),
        right: true,
      },
      micros('MEAN µS', ({ meanMicros }) => meanMicros),
      micros('P50', ({ p50Micros }) => p50Micros),
      micros('P99', ({ p99Micros }) => p99Micros),
      micros('P99.9', ({ p999Micros }) => p999Micros),
      micros('MAX', ({ maxMicros }) => maxMicros),
    ],
    rows,
  );
}

export async function bench(target: string, options: Options): Promise<void> {
  const { op, size, depth, connections, seconds, range, readPercent, flushEvery } = options;
  if (!op.endsWith('read') && options.overwrite !== true) {
    throw new UsageError(`${op} writes over the contents of ${target}: say --overwrite if that is meant`);
  }
  const uri = await uriOf(target, options);
  const device = await openNbd(uri, { connections, reconnectMs: 0 });
  try {
    const load = new Load(device, {
      operation: op,
      sizeBytes: size,
      depth,
      seconds,
      readPercent,
      flushEvery,
      rangeBytes: range,
    });
    const result = await withProgress(load, seconds);
    const asked = { uri, operation: op, sizeBytes: size, depth, connections };
    show(options.json, { ...asked, ...result }, describe);
  } finally {
    await device.close();
  }
}
