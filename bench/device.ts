import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, loadOf, type Load } from './fio.ts';
import { ashlar, qemuNbdOf, type Running } from './peers.ts';
import { run } from './process.ts';
import type { Scale } from './scale.ts';
import { inTurns, turnsFigure, type Turns } from './turns.ts';

const filling = loadOf('write', MiB, 8);

type Bounds = { readonly floor: number; readonly aim: number };

/** To a pool in files, and to qemu-nbd on a device. */
type Target = { readonly title: string; readonly load: Load; readonly toFiles: Bounds; readonly toPeer: Bounds };

const asFiles = { floor: 0.7, aim: 1 };

const targets: readonly Target[] = [
  {
    title: '4k randread, depth 16',
    load: loadOf('randread', 4 * KiB, 16),
    toFiles: asFiles,
    toPeer: { floor: 1.2, aim: 2 },
  },
  {
    title: '4k randwrite, depth 16',
    load: loadOf('randwrite', 4 * KiB, 16),
    toFiles: asFiles,
    toPeer: { floor: 1.2, aim: 2 },
  },
  { title: '1M read, depth 8', load: loadOf('read', MiB, 8), toFiles: asFiles, toPeer: { floor: 1, aim: 1.5 } },
  { title: '1M write, depth 8', load: filling, toFiles: asFiles, toPeer: { floor: 0.7, aim: 1 } },
];

type Side = 'device' | 'files' | 'peer';

export type DeviceResult = readonly { readonly target: Target; readonly turns: Turns<Side> }[];

type Loop = { readonly device: string; detach(): Promise<void> };

/** A device over a file of its own, past the host's memory of that file. */
async function loopOver(directory: string, name: string, sizeBytes: number, cleanup: Cleanup): Promise<Loop> {
  const path = join(directory, name);
  await writeFile(path, '');
  await truncate(path, sizeBytes);
  const device = (await run('losetup', ['--find', '--show', '--direct-io=on', path])).trim();
  let isAttached = true;
  const detach = async (): Promise<void> => {
    if (isAttached) await run('losetup', ['--detach', device]);
    isAttached = false;
  };
  cleanup.add(detach);
  return { device, detach };
}

/** Why there are no devices to measure on here, in a few words; undefined where there are. */
async function whyNoDevice(): Promise<string | undefined> {
  try {
    await run('losetup', ['--find']);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/** The same loads on a pool whose data lies on a device, on one in files, and on a device that qemu-nbd serves, in turns. */
export async function measureDevice(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<DeviceResult> {
  const reason = await whyNoDevice();
  if (reason !== undefined) {
    say(`device: skipped, ${reason}`);
    return [];
  }
  const { diskBytes: sizeBytes } = scale;
  const started = async (opening: Promise<Running>): Promise<Running> => {
    const running = await opening;
    cleanup.add(() => running.stop());
    return running;
  };
  const placeOf = async (name: string): Promise<string> => {
    const place = join(directory, name);
    await mkdir(place);
    return place;
  };
  // Slots are given to whole chunks: what is written over needs no others.
  const pool = await loopOver(directory, 'pool.raw', 2 * sizeBytes, cleanup);
  const disk = await loopOver(directory, 'disk.raw', sizeBytes, cleanup);
  const running: Record<Side, Running> = {
    device: await started(
      ashlar.start({ directory: await placeOf('device'), sizeBytes, environment: { ASHLAR_POOL_DEVICE: pool.device } }),
    ),
    files: await started(ashlar.start({ directory: await placeOf('files'), sizeBytes })),
    peer: await started(qemuNbdOf(directory, disk.device, 'peer', 'raw')),
  };
  for (const { uri } of Object.values(running)) await fio(uri, filling, { sizeBytes });
  const result: { target: Target; turns: Turns<Side> }[] = [];
  for (const target of targets) {
    result.push({ target, turns: await inTurns(running, target.load, scale) });
    say(`device: ${target.title} is measured`);
  }
  for (const each of Object.values(running)) await each.stop();
  for (const each of [pool, disk]) await each.detach();
  return result;
}

export const deviceFigures = (result: DeviceResult): Figure[] =>
  result.flatMap(({ target: { title, toFiles, toPeer }, turns: { device, files, peer } }) => [
    turnsFigure(`pool on a device: ${title}, to a pool in files`, toFiles, device, files),
    turnsFigure(`pool on a device: ${title}, to qemu-nbd on a device`, toPeer, device, peer),
  ]);
