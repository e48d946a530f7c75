import { AshlarError, formatSize } from '@ashlar/core';
import type { SnapshotView, VolumeView } from '@ashlar/server';
import { snapshotPath, snapshotsPath, volumePath } from '../api-paths.ts';
import { changesBetween } from '../changes.ts';
import { AdminClient } from '../client.ts';
import { UsageError } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { facts, print, show, sizeText, table, type Column } from '../output.ts';
import { snapshotParts } from '../snapshot-names.ts';

const columns: readonly Column<SnapshotView>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'SIZE', text: ({ sizeBytes }) => formatSize(sizeBytes), right: true },
  { title: 'CREATED', text: ({ created }) => created },
  { title: 'CLIENTS', text: ({ connections }) => String(connections), right: true },
  { title: 'CLONES', text: ({ clones }) => clones.join(',') },
];

export async function create(fullNames: string[], options: ServerOptions): Promise<void> {
  const snapshots = fullNames.map(snapshotParts);
  const made = await AdminClient.find(options).post<SnapshotView[]>('/v1/snapshots', { snapshots });
  show(options.json, made, () => made.map(({ name }) => `took the snapshot ${name}`).join('\n'));
}

export async function list(volume: string | undefined, options: ServerOptions): Promise<void> {
  const path = volume === undefined ? '/v1/snapshots' : snapshotsPath(volume);
  const found = await AdminClient.find(options).get<SnapshotView[]>(path);
  const empty = `no snapshots yet: take one with 'ashlar volume snapshot ${volume ?? 'VOLUME'}@NAME'`;
  show(options.json, found, () => (found.length === 0 ? empty : table(columns, found)));
}

function describe(snapshot: SnapshotView): string {
  const { name, uuid, sizeBytes, created, clones, exports, connections, allocatedBytes, exclusiveBytes } = snapshot;
  return facts([
    ['name', name],
    ['uuid', uuid],
    ['size', sizeText(sizeBytes)],
    ['has', sizeText(allocatedBytes)],
    ['of its own', sizeText(exclusiveBytes)],
    ['created', created],
    ['clones', clones.join(', ') || 'none'],
    ['exports', exports.join(', ') || 'none'],
    ['clients', String(connections)],
  ]);
}

export async function showOne(fullName: string, options: ServerOptions): Promise<void> {
  show(options.json, await AdminClient.find(options).get<SnapshotView>(snapshotPath(fullName)), describe);
}

type Schedule = VolumeView['schedules'][number];

const scheduleColumns: readonly Column<Schedule>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'EVERY', text: ({ everySeconds }) => durationText(everySeconds), right: true },
  { title: 'KEEP', text: ({ keep }) => String(keep), right: true },
];

function durationText(seconds: number): string {
  const units = [
    ['w', 604_800],
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const;
  const [unit, each] = units.find(([, length]) => seconds % length === 0) ?? (['s', 1] as const);
  return `${seconds / each}${unit}`;
}

export async function schedule(
  volume: string,
  options: ServerOptions & { every?: number; keep?: number; name: string; off?: boolean },
): Promise<void> {
  const { every, keep, name, off = false } = options;
  const client = AdminClient.find(options);
  const path = volumePath(volume);
  const { schedules: before } = await client.get<VolumeView>(path);
  const others = before.filter((each) => each.name !== name);
  let schedules: readonly Schedule[] = before;
  if (off) {
    if (others.length === before.length) throw new AshlarError('not-found', `the volume has no schedule '${name}'`);
    schedules = others;
  } else if (every !== undefined && keep !== undefined) {
    schedules = [...others, { name, everySeconds: every, keep }];
  } else if (every !== undefined || keep !== undefined) {
    throw new UsageError('a schedule needs both --every and --keep');
  }
  if (schedules !== before) await client.patch<VolumeView>(path, { schedules });
  const none = `no schedule yet: ashlar volume snapshot schedule ${volume} --every 1h --keep 24`;
  show(options.json, schedules, () => (schedules.length === 0 ? none : table(scheduleColumns, schedules)));
}

export async function remove(fullNames: string[], options: ServerOptions & { force?: boolean }): Promise<void> {
  const client = AdminClient.find(options);
  // All are looked up first: a name that is typed wrong costs none of the others.
  const volumes = new Set(fullNames.map((fullName) => snapshotParts(fullName).volume));
  const known = new Set<string>();
  for (const volume of volumes)
    for (const { name } of await client.get<SnapshotView[]>(snapshotsPath(volume))) known.add(name);
  for (const fullName of fullNames) {
    if (!known.has(fullName)) throw new AshlarError('not-found', `there is no snapshot '${fullName}'`);
  }
  for (const fullName of fullNames) await client.delete(`${snapshotPath(fullName)}?force=${options.force === true}`);
  if (options.json === true) print(JSON.stringify({ removed: fullNames }));
}

export async function clone(
  fullName: string,
  name: string,
  options: ServerOptions & { export: boolean },
): Promise<void> {
  const request = { name, exported: options.export };
  const made = await AdminClient.find(options).post<VolumeView>(`${snapshotPath(fullName)}/clone`, request);
  show(options.json, made, () => `made the volume ${name} of ${formatSize(made.sizeBytes)} from ${fullName}`);
}

export async function diff(before: string, after: string | undefined, options: ServerOptions): Promise<void> {
  const { volume, name } = snapshotParts(before);
  // The later one may be named whole, by its own name, or be the volume as it is.
  const later =
    after === undefined || after === volume
      ? undefined
      : after.includes('@')
        ? snapshotParts(after)
        : { volume, name: after };
  if (later !== undefined && later.volume !== volume) {
    throw new AshlarError(
      'invalid',
      `'${before}' and '${after}' are of two volumes: only the past of one can be compared`,
    );
  }
  const runs = await changesBetween(AdminClient.find(options), volume, name, later?.name);
  const total = runs.reduce((sum, run) => sum + run.length, 0);
  show(options.json, runs, () =>
    [
      ...runs.map(({ offset, length }) => `${offset} ${length}`),
      `${runs.length} ${runs.length === 1 ? 'run' : 'runs'} of ${formatSize(total)} in all`,
    ].join('\n'),
  );
}

export async function rollBack(
  fullName: string,
  options: ServerOptions & { force?: boolean; removeNewer?: boolean },
): Promise<void> {
  const { force = false, removeNewer = false } = options;
  const request = { force, removeNewer };
  const changed = await AdminClient.find(options).post<VolumeView>(`${snapshotPath(fullName)}/rollback`, request);
  show(options.json, changed, () => `the volume ${changed.name} is what ${fullName} is`);
}
