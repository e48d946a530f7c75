import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, loadOf } from './fio.ts';
import { ashlarQcow2, qemuNbdQcow2, type Running, type Server } from './peers.ts';
import type { Scale } from './scale.ts';
import { inTurns, turn, turnsFigure, type Target, type Turns } from './turns.ts';

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

type Sides = Turns<'ours' | 'theirs'>;

export type Qcow2Result = readonly { readonly target: Target; readonly turns: Sides }[];

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
  const { diskBytes: sizeBytes, pairs } = scale;
  const open = async (server: Server, name: string): Promise<Running> => {
    const place = join(directory, name);
    await mkdir(place, { recursive: true });
    const running = await server.start({ directory: place, sizeBytes });
    cleanup.add(() => running.stop());
    return running;
  };
  const firsts: Sides = { ours: [], theirs: [] };
  for (let round = 0; round < pairs; round += 1) {
    for (const [side, server] of sides) {
      const running = await open(server, `first-${side}`);
      firsts[side].push(await turn(running, first.load, scale));
      await running.stop();
      await rm(running.directory, { recursive: true });
    }
  }
  const running = { ours: await open(ashlarQcow2, 'ours'), theirs: await open(qemuNbdQcow2, 'theirs') };
  for (const { uri } of Object.values(running)) await fio(uri, filling, { sizeBytes });
  const result = [{ target: first, turns: firsts }];
  for (const target of full) {
    result.push({ target, turns: await inTurns(running, target.load, scale) });
    say(`qcow2: ${target.title} is measured`);
  }
  for (const each of Object.values(running)) await each.stop();
  return result;
}

export const qcow2Figures = (result: Qcow2Result): Figure[] =>
  result.map(({ target, turns }) =>
    turnsFigure(`qcow2 image: ${target.title}, to qemu-nbd`, target, turns.ours, turns.theirs),
  );
