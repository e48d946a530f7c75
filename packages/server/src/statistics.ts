import { operationNames, type OperationStats } from '@ashlar/block';
import type * as z from 'zod';
import type { statisticsSchema } from './admin/schemas.ts';
import type { Grants } from './grants.ts';

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

/** What each device has done since the start. */
export function takeStatistics(grants: Grants): Statistics {
  const devices = grants.devices().map(({ name, kind, stats }) => {
    const operations = Object.fromEntries(operationNames.map((operation) => [operation, numbersOf(stats[operation])]));
    return { name, kind, operations };
  });
  return { takenAt: new Date().toISOString(), devices };
}
