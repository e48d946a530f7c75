import { fileURLToPath } from 'node:url';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { metricsOf } from './metrics.ts';
import { ashlarNfs, inside, type NfsRunning } from './nfs-peers.ts';
import { missingTools } from './nfs.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { median } from './statistics.ts';
import { syncsPerSecond } from './sync-rate.ts';

const namesProgram = fileURLToPath(new URL('./nfs-names.ts', import.meta.url));
const writersProgram = fileURLToPath(new URL('./nfs-writers.ts', import.meta.url));

/** Calls at once, and how many files are made and removed so: those that come one by one end in seconds. */
const depths = [
  { depth: 1, files: 1000, quickFiles: 100 },
  { depth: 16, files: 10_000, quickFiles: 400 },
  { depth: 64, files: 100_000, quickFiles: 2000 },
] as const;

/** Calls that one sync can answer at the most, in what must be reached. */
const mostAtOnce = 64;
const clients = 64;

type NameTimes = { readonly create: number; readonly remove: number };
/** `all`: with those that came before what is measured. */
type WriteTimes = { readonly p99: number; readonly all: number };

/** Of 4 KiB that many clients write with FILE_SYNC, and one does. */
type Writes = { readonly repliesPerSync: number[]; readonly times: number[] };

export type NfsSyncResult = {
  /** Of each depth, turn by turn: how much of what can be reached was. */
  readonly names: readonly { readonly depth: number; readonly files: number; readonly shares: readonly number[] }[];
  readonly writes: Writes;
};

const asked = async (netns: string, program: string, words: readonly string[]): Promise<unknown> =>
  JSON.parse(await inside(netns, process.execPath, [program, '127.0.0.1', '2049', '2049', ...words]));

const nameTimes = async ({ netns }: NfsRunning, path: string, files: number, depth: number): Promise<NameTimes> =>
  (await asked(netns, namesProgram, [path, String(files), String(depth)])) as NameTimes;

const writeTimes = async ({ netns, path }: NfsRunning, count: number, writes: number): Promise<WriteTimes> =>
  (await asked(netns, writersProgram, [path, String(count), String(writes)])) as WriteTimes;

const syncsOf = async ({ directory }: NfsRunning): Promise<number> =>
  (await metricsOf(directory)).get('ashlar_pool_syncs_total') ?? Number.NaN;

/**
 * One turn at one depth: the time that the calls would take if each sync answered as many as are under way and cost what it costs the disk, or what they take without any,
 * whichever is longer, to the time that they took. LOOKUP is in neither: it waits for no sync, and as much of it as one likes would make the two alike.
 */
async function shareOf(server: NfsRunning, directory: string, files: number, depth: number): Promise<number> {
  await settled(directory);
  const without = await nameTimes(server, server.asyncPath, files, depth);
  await settled(directory);
  const before = syncsPerSecond(directory);
  const took = await nameTimes(server, server.path, files, depth);
  const syncs = (before + syncsPerSecond(directory)) / 2;
  const least = files / (Math.min(depth, mostAtOnce) * syncs);
  return (Math.max(least, without.create) + Math.max(least, without.remove)) / (took.create + took.remove);
}

async function measureWrites(server: NfsRunning, directory: string, { pairs, quick }: Scale): Promise<Writes> {
  const [ofOne, ofEach] = quick ? [100, 20] : [2000, 200];
  const result: Writes = { repliesPerSync: [], times: [] };
  for (let round = 0; round < pairs; round += 1) {
    await settled(directory);
    const one = await writeTimes(server, 1, ofOne);
    const before = await syncsOf(server);
    const many = await writeTimes(server, clients, ofEach);
    result.repliesPerSync.push(many.all / ((await syncsOf(server)) - before));
    result.times.push(many.p99 / one.p99);
  }
  return result;
}

/** What is durable before it is answered: how close it comes to what the disk gives. */
export async function measureNfsSync(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<NfsSyncResult | undefined> {
  const missing = await missingTools(ashlarNfs.tools);
  if (missing.length > 0 || process.getuid?.() !== 0) {
    const why = missing.length > 0 ? `${missing.join(' and ')} are not here` : 'only root makes network namespaces';
    say(`nfs-sync: skipped, ${why}`);
    return undefined;
  }
  const server = await ashlarNfs.start(`${directory}/ashlar`, cleanup);
  const names: { depth: number; files: number; shares: number[] }[] = [];
  for (const { depth, files: allFiles, quickFiles } of depths) {
    const files = scale.quick ? quickFiles : allFiles;
    const shares: number[] = [];
    for (let round = 0; round < scale.pairs; round += 1) shares.push(await shareOf(server, directory, files, depth));
    names.push({ depth, files, shares });
    say(`nfs-sync: depth ${depth} is measured`);
  }
  const writes = await measureWrites(server, directory, scale);
  say('nfs-sync: writes are measured');
  await server.stop();
  return { names, writes };
}

export function nfsSyncFigures(result: NfsSyncResult | undefined): Figure[] {
  if (result === undefined) return [];
  const { names, writes } = result;
  const limitOf = (depth: number): string =>
    depth === 1 ? "the disk's fdatasyncs" : `${depth} calls a fdatasync of the disk`;
  return [
    ...names.map(({ depth, files, shares }): Figure => ({
      name: `NFS: create and remove of ${files} files, sync, depth ${depth}, to the lesser of ${limitOf(depth)} and async`,
      value: median(shares),
      unit: 'x',
      floor: 0.6,
      aim: 0.9,
    })),
    {
      name: `NFS: ${clients} clients that write 4 KiB with FILE_SYNC, replies a sync`,
      value: median(writes.repliesPerSync),
      unit: 'x',
      floor: 8,
      aim: 16,
    },
    {
      name: `NFS: the same, p99 to that of one client`,
      value: median(writes.times),
      unit: 'times',
      floor: 3,
      aim: 2,
    },
  ];
}
