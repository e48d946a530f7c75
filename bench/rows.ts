import { KiB, MiB } from '@ashlar/core';
import type { Load } from './fio.ts';

/** What a volume lies on and what of it is in memory when a load begins. */
export const volumeKinds = ['memory', 'warm', 'cold'] as const;

export type VolumeKind = (typeof volumeKinds)[number];

/** A load, and its name. */
export type Row = { readonly name: string; readonly load: Load };

function row(
  rw: Load['rw'],
  blockBytes: number,
  depth: number,
  more: { connections?: number; flushEvery?: number },
): Row {
  const load: Load = { rw, blockBytes, depth, connections: 1, flushEvery: 0, ...more };
  const size = blockBytes >= MiB ? `${blockBytes / MiB}m` : `${blockBytes / KiB}k`;
  const flush = load.flushEvery > 0 ? `-flush${load.flushEvery}` : '';
  const connections = load.connections > 1 ? `-c${load.connections}` : '';
  return { name: `${rw}-${size}-d${depth}${flush}${connections}`, load };
}

const depths = [1, 16, 64];

export const rows: readonly Row[] = [
  ...(['randread', 'randwrite', 'randrw'] as const).flatMap((rw) => depths.map((depth) => row(rw, 4 * KiB, depth, {}))),
  row('read', MiB, 8, {}),
  row('write', MiB, 8, {}),
  row('randwrite', 4 * KiB, 1, { flushEvery: 1 }),
  row('randwrite', 4 * KiB, 16, { flushEvery: 32 }),
  ...(['randread', 'randwrite'] as const).flatMap((rw) =>
    [2, 4].map((connections) => row(rw, 4 * KiB, 16, { connections })),
  ),
];

/** A ratio that Ashlar must reach, and the one that it aims at. */
export type Target = {
  readonly title: string;
  /** `VOLUME/ROW`. */
  readonly row: string;
  /** The peer's name, or `best` for the one that does best. */
  readonly to: string;
  readonly floor: number;
  readonly aim: number;
};

function targets(
  title: string,
  row: string,
  peers: Readonly<Record<string, readonly [floor: number, aim: number]>>,
): Target[] {
  return Object.entries(peers).map(([to, [floor, aim]]) => ({ title, row: `warm/${row}`, to, floor, aim }));
}

const burst = { 'nbdkit file': [0.8, 1.1], 'qemu-nbd raw': [1.8, 2.5] } as const;

export const ratioTargets: readonly Target[] = [
  ...targets('4k randread warm, depth 1', 'randread-4k-d1', { best: [0.9, 1.1] }),
  ...targets('4k randread warm, depth 16', 'randread-4k-d16', { best: [1.2, 1.5] }),
  ...targets('4k randread warm, depth 64', 'randread-4k-d64', { best: [1.2, 1.5] }),
  ...targets('4k randwrite in a burst, depth 16', 'randwrite-4k-d16', burst),
  ...targets('4k randwrite in a burst, depth 64', 'randwrite-4k-d64', burst),
  ...targets('1M read warm, depth 8', 'read-1m-d8', { 'nbdkit file': [0.8, 1.2], 'qemu-nbd raw': [1.3, 2.5] }),
  ...targets('1M write, depth 8', 'write-1m-d8', { 'nbdkit file': [0.6, 1], 'qemu-nbd raw': [1.2, 2] }),
  ...targets('4k randwrite, flush each 32', 'randwrite-4k-d16-flush32', { 'qemu-nbd qcow2': [1.5, 3] }),
];
