import { formatSize } from '@ashlar/core';
import type { StatusView, VolumeView } from '@ashlar/server';
import { volumePath } from '../api-paths.ts';
import { AdminClient } from '../client.ts';
import type { ServerOptions } from '../options.ts';
import { provisionedText } from '../room-text.ts';
import { facts, print, show, sizeText, table, type Column } from '../output.ts';

type Limits = {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bps?: number;
  readonly readBps?: number;
  readonly writeBps?: number;
};

const columns: readonly Column<VolumeView>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'TYPE', text: ({ type }) => type },
  { title: 'SIZE', text: ({ sizeBytes }) => formatSize(sizeBytes), right: true },
  { title: 'USED', text: ({ allocatedBytes }) => formatSize(allocatedBytes), right: true },
  {
    title: 'RESERVED',
    text: ({ reservedBytes }) => (reservedBytes === 0 ? '-' : formatSize(reservedBytes)),
    right: true,
  },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'CLIENTS', text: ({ connections }) => String(connections), right: true },
  { title: 'EXPORTS', text: ({ exports }) => exports.join(',') },
];

function describe(volume: VolumeView): string {
  const { name, uuid, type, sizeBytes, allocatedBytes, preallocation, created, limits, exports, connections } = volume;
  const { state, reason, afterLoss, snapshots, origin, receiving, exclusiveBytes, reservedBytes } = volume;
  return facts([
    ['name', name],
    ['uuid', uuid],
    ['type', type],
    ['state', reason === undefined ? state : `${state}: ${reason}`],
    ['after a loss', afterLoss],
    ['size', sizeText(sizeBytes)],
    ['used', sizeText(allocatedBytes)],
    ['of its own', sizeText(exclusiveBytes)],
    ['reserved', reservedBytes === 0 ? 'none' : sizeText(reservedBytes)],
    ['compression', compressionText(volume)],
    ['preallocation', preallocation],
    ['created', created],
    ['limits', Object.keys(limits).length === 0 ? 'none' : JSON.stringify(limits)],
    ['exports', exports.join(', ') || 'none'],
    ['snapshots', String(snapshots)],
    ['clone of', origin],
    ['flattening', flattening(volume)],
    ['receiving', receiving === undefined ? undefined : `broke off, or goes on, at ${receiving.offset}`],
    ['clients', String(connections)],
  ]);
}

function flattening({ flatten }: VolumeView): string | undefined {
  if (flatten === undefined) return undefined;
  const { state, doneBytes, totalBytes, reason } = flatten;
  if (state !== 'running') return reason === undefined ? state : `${state}: ${reason}`;
  return `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;
}

/** How it is, and how much less it takes by it: also where it was turned off, as long as there is something compressed. */
function compressionText({ compression, allocatedBytes, uncompressedBytes }: VolumeView): string {
  if (compression === 'off' && uncompressedBytes === allocatedBytes) return compression;
  const ratio = allocatedBytes === 0 ? 1 : uncompressedBytes / allocatedBytes;
  return `${compression}, ${ratio.toFixed(2)} to 1 (${sizeText(uncompressedBytes)} without)`;
}

function direction(operationsPerSecond: number | undefined, bytesPerSecond: number | undefined): object | undefined {
  if (operationsPerSecond === undefined && bytesPerSecond === undefined) return undefined;
  return {
    ...(operationsPerSecond === undefined ? {} : { operationsPerSecond }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

/** The limits as the API takes them; undefined when none was named. */
function limitsOf(options: Limits): object | undefined {
  const { iops, readIops, writeIops, bps, readBps, writeBps } = options;
  const parts = {
    total: direction(iops, bps),
    read: direction(readIops, readBps),
    write: direction(writeIops, writeBps),
  };
  const named = Object.entries(parts).filter(([, limit]) => limit !== undefined);
  return named.length === 0 ? undefined : Object.fromEntries(named);
}

export async function create(
  name: string,
  options: ServerOptions &
    Limits & {
      size: number;
      type: string;
      reserve?: number;
      preallocation: string;
      export: boolean;
      afterLoss?: string;
      compression?: string;
    },
): Promise<void> {
  const { size, type, reserve = 0, preallocation, export: exported, afterLoss, compression } = options;
  const limits = limitsOf(options) ?? {};
  const made = await AdminClient.find(options).post<VolumeView>('/v1/volumes', {
    name,
    type,
    size,
    reserve,
    preallocation,
    exported,
    limits,
    ...(afterLoss === undefined ? {} : { afterLoss }),
    ...(compression === undefined ? {} : { compression }),
  });
  const done = `made the ${type === 'file' ? 'file ' : ''}volume ${name} of ${formatSize(made.sizeBytes)}`;
  const next = type === 'file' && exported ? `; mount it as 'ashlar export show ${name} --format mount' says` : '';
  show(options.json, made, () => done + next);
}

export async function list(options: ServerOptions): Promise<void> {
  const client = AdminClient.find(options);
  const volumes = await client.get<VolumeView[]>('/v1/volumes');
  const status = await client.get<StatusView>('/v1/status');
  const empty = "no volumes yet: make one with 'ashlar volume create NAME --size 10G'";
  show(options.json, volumes, () => {
    if (volumes.length === 0) return empty;
    const { provisionedBytes, capacityBytes } = status.pool;
    return provisionedBytes <= capacityBytes
      ? table(columns, volumes)
      : `${table(columns, volumes)}\n\n${provisionedText(status)}`;
  });
}

export async function showOne(name: string, options: ServerOptions): Promise<void> {
  show(options.json, await AdminClient.find(options).get<VolumeView>(`${volumePath(name)}?space=true`), describe);
}

export async function resize(name: string, options: ServerOptions & { size: number; shrink?: boolean }): Promise<void> {
  const { size, shrink = false } = options;
  const changed = await AdminClient.find(options).patch<VolumeView>(volumePath(name), { size, shrink });
  show(options.json, changed, () => `the volume ${name} has ${formatSize(changed.sizeBytes)} now`);
}

/** `wanted`: bytes, or `none`. */
export async function reserve(name: string, wanted: number | 'none', options: ServerOptions): Promise<void> {
  const body = { reserve: wanted === 'none' ? 0 : wanted };
  const changed = await AdminClient.find(options).patch<VolumeView>(volumePath(name), body);
  show(options.json, changed, ({ reservedBytes }) =>
    reservedBytes === 0
      ? `no room is kept for the volume ${name} any more`
      : `${formatSize(reservedBytes)} are kept for the volume ${name}`,
  );
}

export async function rename(name: string, to: string, options: ServerOptions): Promise<void> {
  const changed = await AdminClient.find(options).patch<VolumeView>(volumePath(name), { name: to });
  show(options.json, changed, () => `the volume ${name} is called ${to} now`);
}

export async function limit(name: string, options: ServerOptions & Limits): Promise<void> {
  const changed = await AdminClient.find(options).patch<VolumeView>(volumePath(name), {
    limits: limitsOf(options) ?? {},
  });
  show(options.json, changed, describe);
}

export async function compress(name: string, how: string, options: ServerOptions): Promise<void> {
  const changed = await AdminClient.find(options).patch<VolumeView>(volumePath(name), { compression: how });
  const said = changed.compression === 'off' ? 'is not compressed' : `is compressed by ${changed.compression}`;
  show(options.json, changed, () => `what is written to the volume ${name} from now on ${said}`);
}

export async function accept(name: string, options: ServerOptions & { afterLoss?: string }): Promise<void> {
  const { afterLoss } = options;
  const body = afterLoss === undefined ? {} : { afterLoss };
  const taken = await AdminClient.find(options).post<VolumeView>(`${volumePath(name)}/accept`, body);
  show(options.json, taken, () => `the volume ${name} is served; after a later loss: ${taken.afterLoss}`);
}

export async function remove(
  names: string[],
  options: ServerOptions & { force?: boolean; snapshots?: boolean },
): Promise<void> {
  const client = AdminClient.find(options);
  // All are looked up first: a name that is typed wrong costs none of the others.
  for (const name of names) await client.get<VolumeView>(volumePath(name));
  const query = `force=${options.force === true}&snapshots=${options.snapshots === true}`;
  for (const name of names) await client.delete(`${volumePath(name)}?${query}`);
  if (options.json === true) print(JSON.stringify({ removed: names }));
}
