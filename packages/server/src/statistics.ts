import { operationNames, type OperationStats } from '@ashlar/block';
import type { Catalogue } from '@ashlar/volume';
import type * as z from 'zod';
import type { statisticsSchema } from './admin/schemas.ts';
import type { Counters, Grants } from './grants.ts';

type Statistics = z.output<typeof statisticsSchema>;

function numbersOf(stats: OperationStats): Statistics['devices'][number]['operations'][string] {
  return {
    operations: stats.operations,
    bytes: stats.bytes,
    inFlight: stats.inFlight,
    errors: stats.errors.reduce((sum, count) => sum + count, 0),
    durationSeconds: stats.durationMs / 1000,
    p50Micros: stats.latency.quantileMicros(0.5),
    p99Micros: stats.latency.quantileMicros(0.99),
    p999Micros: stats.latency.quantileMicros(0.999),
  };
}

/** The name that people know a device by, undefined for a volume that is gone. */
export function deviceName({ source }: Counters, catalogue: Catalogue): string | undefined {
  if (source.kind === 'file') return source.path;
  return catalogue.volumes().find(({ uuid }) => uuid === source.uuid)?.name;
}

/** What each device has done since the start. */
export function takeStatistics(catalogue: Catalogue, grants: Grants): Statistics {
  const devices = grants.counters().flatMap((counters) => {
    const name = deviceName(counters, catalogue);
    if (name === undefined) return [];
    const operations = Object.fromEntries(
      operationNames.map((operation) => [operation, numbersOf(counters.stats[operation])]),
    );
    return [{ name, kind: counters.source.kind, operations }];
  });
  return { takenAt: new Date().toISOString(), devices };
}
