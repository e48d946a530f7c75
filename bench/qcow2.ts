import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, loadOf, type Load, type Throughput } from './fio.ts';
import { ashlarQcow2, qemuNbdQcow2, type Running, type Server } from './peers.ts';
import { untilIdle } from './process-usage.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { medianRatio } from './statistics.ts';

type Target = { readonly title: string; readonly load: Load; readonly floor: number; readonly aim: number };

const filling = loadOf('write', MiB, 8);
const randomWrites = loadOf('randwrite', 4 * KiB, 16);

/** Into an image in which nothing is. */
const first: Target = { title: 'first 4k writes, depth 16', load: randomWrites, floor: 1, aim: 1.5 };

/** Of an image that is full, and in the host's memory. */
const full: readonly Target[] = [
  { title: '4k randread, depth 16', load: loadOf('randread', 4 * KiB, 16), floor: 1.2, aim: 2 },
  { title: '4k randwrite into allocated clusters, depth 16', load: randomWrites, floor: 1.2, aim: 2 },
  { title: '1M read, depth 8', load: loadOf('read', MiB, 8), floor: 1.2, aim: 1.2 },
  { title: '1M write, depth 8', load: filling, floor: 1.2, aim: 1.2 },
];

/** What each side did, turn by turn. */
type Turns = { readonly ours: Throughput[]; readonly theirs: Throughput[] };

export type Qcow2Result = readonly { readonly target: Target; readonly turns: Turns }[];

const sides = [
  ['ours', ashlarQcow2],
  ['theirs', qemuNbdQcow2],
] as const;

/** The same loads on an image that Ashlar serves and on one that qemu-nbd does, in turns. */
export async function measureQcow2(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<Qcow2Result> {
  const { diskBytes: sizeBytes, pairs, seconds } = scale;
  const open = async (server: Server, name: string): Promise<Running> => {
    const place = join(directory, name);
    await mkdir(place, { recursive: true });
    const running = await server.start({ directory: place, sizeBytes });
    cleanup.add(() => running.stop());
    return running;
  };
  const turn = async ({ pid, uri }: Running, load: Load): Promise<Throughput> => {
    await settled(directory);
    const done = await fio(uri, load, { seconds });
    await untilIdle(pid);
    return done;
  };
  const result = [first, ...full].map((target) => ({ target, turns: { ours: [], theirs: [] } as Turns }));
  for (let round = 0; round < pairs; round += 1) {
    for (const [side, server] of sides) {
      const running = await open(server, `first-${side}`);
      result[0]!.turns[side].push(await turn(running, first.load));
      await running.stop();
      await rm(running.directory, { recursive: true });
    }
  }
  const running = { ours: await open(ashlarQcow2, 'ours'), theirs: await open(qemuNbdQcow2, 'theirs') };
  for (const { uri } of Object.values(running)) await fio(uri, filling, { sizeBytes });
  for (const { target, turns } of result.slice(1)) {
    for (let round = 0; round < pairs; round += 1) {
      for (const [side] of sides) turns[side].push(await turn(running[side], target.load));
    }
    say(`qcow2: ${target.title} is measured`);
  }
  for (const each of Object.values(running)) await each.stop();
  return result;
}

const rates = (turns: readonly Throughput[]): number[] => turns.map((turn) => turn.operationsPerSecond);

export const qcow2Figures = (result: Qcow2Result): Figure[] =>
  result.map(({ target: { title, floor, aim }, turns }) => ({
    name: `qcow2 image: ${title}, to qemu-nbd`,
    value: medianRatio(rates(turns.ours), rates(turns.theirs)),
    unit: 'x',
    floor,
    aim,
  }));
