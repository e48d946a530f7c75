import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { ashlarNfs, ganesha, inside, type NfsRunning } from './nfs-peers.ts';
import { missingTools } from './nfs.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { median, medianRatio } from './statistics.ts';
import { timed } from './timed.ts';

const lister = fileURLToPath(new URL('./nfs-lister.ts', import.meta.url));
const name = 'many';
const depth = 64;
/** Of one listing by a server that was just started. */
const mostColdSeconds = 15;

const kinds = ['READDIR', 'READDIRPLUS'] as const;
type Kind = (typeof kinds)[number];

/** Seconds, turn by turn. */
type Seconds = { readonly cold: number[]; readonly ours: number[]; readonly theirs: number[] };

export type ListingResult = { readonly count: number; readonly seconds: ReadonlyMap<Kind, Seconds> };

/** Listed first, and once more: what a server kept of the first listing is of use to the second. */
type Listed = { readonly first: number; readonly second: number };

async function lists(
  server: NfsRunning,
  what: string,
  ...more: readonly string[]
): Promise<{ seconds: number; listed?: number }> {
  const mountPort = server.name === 'ashlar' ? '2049' : '20048';
  const words = [lister, '127.0.0.1', '2049', mountPort, server.asyncPath, name, what, ...more];
  return JSON.parse(await inside(server.netns, process.execPath, words)) as { seconds: number; listed?: number };
}

async function listTwice(server: NfsRunning, kind: Kind, count: number): Promise<Listed> {
  const [first, second] = [await lists(server, kind), await lists(server, kind)];
  for (const { listed = 0 } of [first, second]) {
    if (listed < count || listed > count + 2) throw new Error(`${server.name} lists ${listed} of ${count} entries`);
  }
  return { first: first.seconds, second: second.seconds };
}

/** Where a directory is exported as it is, files are made in that: over NFS it takes longer. */
async function makeFiles(directory: string, count: number): Promise<void> {
  const many = join(directory, name);
  mkdirSync(many);
  for (let at = 1; at <= count; at += 1) closeSync(openSync(join(many, `file-${at}`), 'wx'));
}

/** Listings of one directory of many files, by Ashlar and by NFS-Ganesha over the same file system, in turns. */
export async function measureListing(
  directory: string,
  { pairs, quick }: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<ListingResult> {
  const count = quick ? 2000 : 1_000_000;
  const seconds = new Map(kinds.map((kind) => [kind, { cold: [], ours: [], theirs: [] } as Seconds] as const));
  const missing = await missingTools([...ashlarNfs.tools, ...ganesha.tools]);
  // Why, is said of the other figures of files.
  if (missing.length > 0 || process.getuid?.() !== 0) return { count, seconds };
  const [own, others] = [join(directory, 'ashlar'), join(directory, 'ganesha')];
  const theirs = await ganesha.start(others, cleanup);
  const theirsMade = await timed(() => makeFiles(join(others, 'files'), count));
  let ours = await ashlarNfs.start(own, cleanup);
  const oursMade = await lists(ours, 'make', String(count), String(depth));
  say(
    `nfs: ${count} files are made: in ${Math.round(oursMade.seconds)} s over NFS, in ${Math.round(theirsMade)} s in NFS-Ganesha's directory`,
  );
  for (let round = 0; round < pairs; round += 1) {
    for (const [kind, times] of seconds) {
      await ours.stop();
      ours = await ashlarNfs.start(own, cleanup);
      await settled(directory);
      const { first, second } = await listTwice(ours, kind, count);
      times.cold.push(first);
      times.ours.push(second);
      times.theirs.push((await listTwice(theirs, kind, count)).second);
    }
  }
  await ours.stop();
  await theirs.stop();
  return { count, seconds };
}

export const listingFigures = ({ count, seconds }: ListingResult): Figure[] =>
  [...seconds]
    .filter(([, { cold }]) => cold.length > 0)
    .flatMap(([kind, { cold, ours, theirs }]): Figure[] => {
      const what = `NFS: ${kind} of a directory with ${count} entries`;
      return [
        {
          name: `${what}, to NFS-Ganesha (VFS)`,
          value: medianRatio(theirs, ours),
          unit: 'x',
          floor: 1,
          aim: 2,
          note: `${median(ours).toFixed(2)} s, and ${median(theirs).toFixed(2)} s`,
        },
        {
          name: `${what}, first after a start`,
          value: median(cold),
          unit: 's',
          floor: mostColdSeconds,
          aim: mostColdSeconds / 2,
        },
      ];
    });
