import { fileURLToPath } from 'node:url';
import { KiB, MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { ashlarNfs, ganesha, inside, type NfsRunning } from './nfs-peers.ts';
import { run } from './process.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { medianRatio } from './statistics.ts';

const names = fileURLToPath(new URL('./nfs-names.ts', import.meta.url));

/** What is asked of one file, by qemu-img and libnfs. */
type Load = {
  readonly title: string;
  readonly isWrite: boolean;
  readonly blockBytes: number;
  /** From one request to the next. */
  readonly stepBytes: number;
  readonly floor: number;
  readonly aim: number;
};

/** As good as random: no request is near those before. */
const farStep = 8138 * 4 * KiB;
const depth = 16;

const loads: readonly Load[] = [
  { title: '1M read', isWrite: false, blockBytes: MiB, stepBytes: MiB, floor: 1, aim: 1.5 },
  { title: '1M write', isWrite: true, blockBytes: MiB, stepBytes: MiB, floor: 1, aim: 1.5 },
  { title: '4k randread', isWrite: false, blockBytes: 4 * KiB, stepBytes: farStep, floor: 1, aim: 1.5 },
  { title: '4k randwrite', isWrite: true, blockBytes: 4 * KiB, stepBytes: farStep, floor: 1.2, aim: 2 },
];

/** Seconds, turn by turn. */
type Seconds = Record<'ours' | 'theirs', number[]>;

export type NfsResult = readonly {
  readonly title: string;
  readonly floor: number;
  readonly aim: number;
  readonly seconds: Seconds;
}[];

const uriOf = ({ path }: NfsRunning): string => `nfs://127.0.0.1${path}/disk`;

/** Requests of one kind; gives seconds. */
async function bench(server: NfsRunning, { blockBytes, isWrite, stepBytes }: Load, count: number): Promise<number> {
  const words = [
    'bench',
    '-f',
    'raw',
    '-t',
    'none',
    '-d',
    String(depth),
    '-c',
    String(count),
    '-s',
    String(blockBytes),
  ];
  const how = [...(isWrite ? ['-w'] : []), '-S', String(stepBytes), uriOf(server)];
  const out = await inside(server.netns, 'qemu-img', [...words, ...how]);
  return Number(/completed in ([\d.]+) seconds/.exec(out)?.[1]);
}

type NameTimes = { readonly create: number; readonly stat: number; readonly list: number; readonly remove: number };

async function nameTimes({ asyncPath, name, netns }: NfsRunning, count: number): Promise<NameTimes> {
  const mountPort = name === 'ashlar' ? '2049' : '20048';
  const words = [names, '127.0.0.1', '2049', mountPort, asyncPath, String(count), '64'];
  return JSON.parse(await inside(netns, process.execPath, words)) as NameTimes;
}

/** Those that are not installed. */
export async function missingTools(tools: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const tool of new Set(tools)) {
    await run('sh', ['-c', `command -v ${tool}`]).catch(() => missing.push(tool));
  }
  return missing;
}

/** The same of Ashlar and of NFS-Ganesha over the same file system, in turns. */
export async function measureNfs(
  directory: string,
  { pairs, quick }: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<NfsResult> {
  const missing = await missingTools([...ashlarNfs.tools, ...ganesha.tools, 'qemu-img']);
  if (missing.length > 0 || process.getuid?.() !== 0) {
    say(
      `nfs: skipped, ${missing.length > 0 ? `${missing.join(' and ')} are not here` : 'only root makes network namespaces'}`,
    );
    return [];
  }
  const ours = await ashlarNfs.start(`${directory}/ashlar`, cleanup);
  const theirs = await ganesha.start(`${directory}/ganesha`, cleanup);
  const sides = [
    ['ours', ours],
    ['theirs', theirs],
  ] as const;
  const diskBytes = quick ? 64 * MiB : 1024 * MiB;
  for (const [, server] of sides) {
    await inside(server.netns, 'qemu-img', ['create', '-q', '-f', 'raw', uriOf(server), String(diskBytes)]);
    await bench(server, loads[1]!, diskBytes / MiB);
  }
  const result: { title: string; floor: number; aim: number; seconds: Seconds }[] = [];
  for (const load of loads) {
    const count = load.blockBytes === MiB ? (diskBytes / MiB) * (quick ? 1 : 4) : quick ? 2000 : 60_000;
    const seconds: Seconds = { ours: [], theirs: [] };
    for (let round = 0; round < pairs; round += 1) {
      for (const [side, server] of sides) {
        await settled(directory);
        seconds[side].push(await bench(server, load, count));
      }
    }
    result.push({ title: `${load.title}, depth ${depth}`, floor: load.floor, aim: load.aim, seconds });
    say(`nfs: ${load.title} is measured`);
  }
  const count = quick ? 2000 : 100_000;
  const times: Record<keyof NameTimes | 'all', Seconds> = {
    create: { ours: [], theirs: [] },
    stat: { ours: [], theirs: [] },
    list: { ours: [], theirs: [] },
    remove: { ours: [], theirs: [] },
    all: { ours: [], theirs: [] },
  };
  for (let round = 0; round < pairs; round += 1) {
    for (const [side, server] of sides) {
      await settled(directory);
      const found = await nameTimes(server, count);
      for (const kind of ['create', 'stat', 'list', 'remove'] as const) times[kind][side].push(found[kind]);
      times.all[side].push(found.create + found.stat + found.remove);
    }
  }
  say('nfs: names are measured');
  result.push({ title: `create, stat and remove of ${count} files, async`, floor: 1.2, aim: 2, seconds: times.all });
  result.push({ title: `listing of a directory with ${count} entries`, floor: 1, aim: 2, seconds: times.list });
  await ours.stop();
  await theirs.stop();
  return result;
}

/** How many times as fast. */
export const nfsFigures = (result: NfsResult): Figure[] =>
  result.map(({ aim, floor, seconds: { ours, theirs }, title }) => ({
    name: `NFS: ${title}, to NFS-Ganesha (VFS)`,
    value: medianRatio(theirs, ours),
    unit: 'x',
    floor,
    aim,
  }));
