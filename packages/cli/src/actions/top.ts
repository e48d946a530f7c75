import { setTimeout as sleep } from 'node:timers/promises';
import { formatSize } from '@ashlar/core';
import type { StatisticsView } from '@ashlar/server';
import { AdminClient } from '../client.ts';
import type { ServerOptions } from '../options.ts';
import { print, show, table, type Column } from '../output.ts';

/** What one volume or file did in an interval. Rates are a second. */
type Activity = {
  readonly name: string;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly flushes: number;
  readonly inFlight: number;
  readonly readMicros: number;
  readonly writeMicros: number;
  readonly errors: number;
};

type Operations = StatisticsView['devices'][number]['operations'];

const inverse = '\x1b[7m';
const plain = '\x1b[0m';
const home = '\x1b[H';
const clearBelow = '\x1b[J';
const clearLine = '\x1b[K';

const columns: readonly Column<Activity>[] = [
  { title: 'VOLUME', text: ({ name }) => name },
  { title: 'READ/S', text: ({ reads }) => reads.toFixed(0), right: true },
  { title: 'WRITE/S', text: ({ writes }) => writes.toFixed(0), right: true },
  { title: 'READ B/S', text: ({ readBytes }) => formatSize(readBytes), right: true },
  { title: 'WRITE B/S', text: ({ writeBytes }) => formatSize(writeBytes), right: true },
  { title: 'FLUSH/S', text: ({ flushes }) => flushes.toFixed(0), right: true },
  { title: 'DEPTH', text: ({ inFlight }) => String(inFlight), right: true },
  { title: 'READ µS', text: ({ readMicros }) => readMicros.toFixed(0), right: true },
  { title: 'WRITE µS', text: ({ writeMicros }) => writeMicros.toFixed(0), right: true },
  { title: 'ERRORS', text: ({ errors }) => String(errors), right: true },
];

function between(before: Operations | undefined, after: Operations, name: string, seconds: number): Activity {
  const grown = (operation: string, field: 'operations' | 'bytes' | 'durationSeconds'): number =>
    (after[operation]?.[field] ?? 0) - (before?.[operation]?.[field] ?? 0);
  const average = (operation: string): number => {
    const count = grown(operation, 'operations');
    return count === 0 ? 0 : (grown(operation, 'durationSeconds') / count) * 1e6;
  };
  const all = Object.values(after);
  return {
    name,
    reads: grown('read', 'operations') / seconds,
    writes: grown('write', 'operations') / seconds,
    readBytes: grown('read', 'bytes') / seconds,
    writeBytes: grown('write', 'bytes') / seconds,
    flushes: grown('flush', 'operations') / seconds,
    inFlight: all.reduce((sum, { inFlight }) => sum + inFlight, 0),
    readMicros: average('read'),
    writeMicros: average('write'),
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** What happened between two looks, the busiest first. */
export function activities(before: StatisticsView, after: StatisticsView): Activity[] {
  const seconds = Math.max(0.001, (Date.parse(after.takenAt) - Date.parse(before.takenAt)) / 1000);
  const earlier = new Map(before.devices.map(({ name, operations }) => [name, operations]));
  return after.devices
    .map(({ name, operations }) => between(earlier.get(name), operations, name, seconds))
    .toSorted((a, b) => b.reads + b.writes - a.reads - a.writes || (a.name < b.name ? -1 : 1));
}

function draw(found: readonly Activity[], takenAt: string): void {
  const [head = '', ...rows] = table(columns, found).split('\n');
  const room = Math.max(1, (process.stdout.rows ?? 24) - 3);
  const lines = [
    `ashlar top  ${takenAt.slice(11, 19)}  (Ctrl-C ends it)`,
    `${inverse}${head}${plain}`,
    ...rows.slice(0, room),
  ];
  process.stdout.write(`${home}${lines.map((line) => line + clearLine).join('\n')}\n${clearBelow}`);
}

async function watch(client: AdminClient, intervalMs: number): Promise<never> {
  let before = await client.get<StatisticsView>('/v1/statistics');
  process.stdout.write(`${home}${clearBelow}`);
  for (;;) {
    await sleep(intervalMs);
    const after = await client.get<StatisticsView>('/v1/statistics');
    draw(activities(before, after), after.takenAt);
    before = after;
  }
}

export async function top(options: ServerOptions & { interval: number; once?: boolean }): Promise<void> {
  const client = AdminClient.find(options);
  const intervalMs = options.interval * 1000;
  if (process.stdout.isTTY && options.once !== true && options.json !== true) return watch(client, intervalMs);
  const before = await client.get<StatisticsView>('/v1/statistics');
  await sleep(intervalMs);
  const found = activities(before, await client.get<StatisticsView>('/v1/statistics'));
  if (found.length === 0 && options.json !== true) print('nothing was used since the server started');
  else show(options.json, found, (rows) => table(columns, rows));
}
