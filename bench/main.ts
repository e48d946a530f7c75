import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from './cleanup.ts';
import { whyNotCold } from './cold.ts';
import { compressionFigures, measureCompression } from './compression.ts';
import { convertFigures, measureConvert } from './convert.ts';
import { deviceFigures, measureDevice } from './device.ts';
import type { Figure } from './figure.ts';
import { footprintFigure, measureFootprint } from './footprint.ts';
import { measureNfsSync, nfsSyncFigures } from './nfs-sync.ts';
import { measureNfs, nfsFigures } from './nfs.ts';
import { listingFigures, measureListing } from './nfs-listing.ts';
import { isWanted, parseOptions, rowNames, usage, type Options } from './options.ts';
import { plot } from './plot.ts';
import { json, markdown, ratioFigures, type Measured } from './report.ts';
import { measureQcow2, qcow2Figures } from './qcow2.ts';
import { ratioTargets, rows, volumeKinds } from './rows.ts';
import { measureScrub, scrubFigure } from './scrub.ts';
import { measureSimulator } from './simulator.ts';
import { mappedFigures, measureMapped, measurePast, pastFigures } from './snapshots.ts';
import { measureStart, startFigure } from './start-time.ts';
import { measureSteady, steadyFigures } from './steady.ts';
import { measureRows, type RowResult } from './table-rows.ts';

/** With the minutes that have gone by, which show what of a run takes long. */
const say = (text: string): void =>
  console.error(`${(performance.now() / 60_000).toFixed(1).padStart(5)} min  ${text}`);

const targetRows = new Set(ratioTargets.map(({ row }) => row));

/** Runs a part of the benchmark in a fresh directory, which is gone afterwards with every server in it. */
async function inFreshDirectory<T>(
  parent: string,
  cleanup: Cleanup,
  body: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(parent, 'ashlar-bench-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  cleanup.add(remove);
  const result = await body(directory);
  await remove();
  return result;
}

async function tableRows(options: Options, disk: string, cleanup: Cleanup): Promise<RowResult[]> {
  const results: RowResult[] = [];
  const { pairs, otherPairs } = options.scale;
  const roundsOf = (name: string): number => (targetRows.has(name) ? pairs : otherPairs);
  for (const kind of volumeKinds) {
    const wanted = rows.filter(({ name }) => {
      const row = `${kind}/${name}`;
      return isWanted(options, row, targetRows.has(row)) && roundsOf(row) > 0;
    });
    if (wanted.length === 0) continue;
    const reason = kind === 'cold' ? whyNotCold() : undefined;
    if (reason !== undefined) say(`${kind}: skipped, ${reason}`);
    else {
      const parent = kind === 'memory' ? '/dev/shm' : disk;
      const measure = (directory: string): Promise<RowResult[]> =>
        measureRows(kind, wanted, roundsOf, directory, options.scale, cleanup, say);
      results.push(...(await inFreshDirectory(parent, cleanup, measure)));
    }
  }
  return results;
}

async function specialFigures(options: Options, disk: string, cleanup: Cleanup): Promise<Figure[]> {
  const { scale } = options;
  const figures: Figure[] = [];
  const part = async (name: string, measure: (directory: string) => Promise<readonly Figure[]>): Promise<void> => {
    if (isWanted(options, name, true)) figures.push(...(await inFreshDirectory(disk, cleanup, measure)));
  };
  await part('steady', async (place) => steadyFigures(await measureSteady(place, scale, cleanup, say), scale));
  await part('footprint', async (place) => [footprintFigure(await measureFootprint(place, scale, cleanup), scale)]);
  await part('start', async (place) => [startFigure(await measureStart(place, scale, cleanup, say))]);
  await part('snapshots', async (place) => pastFigures(await measurePast(place, scale, cleanup, say), scale));
  await part('mapped', async (place) => mappedFigures(await measureMapped(place, scale, cleanup, say)));
  await part('scrub', async (place) => [scrubFigure(await measureScrub(place, scale, cleanup, say))]);
  await part('compression', async (place) => compressionFigures(await measureCompression(place, scale, cleanup, say)));
  await part('qcow2', async (place) => qcow2Figures(await measureQcow2(place, scale, cleanup, say)));
  await part('device', async (place) => deviceFigures(await measureDevice(place, scale, cleanup, say)));
  await part('nfs', async (place) => nfsFigures(await measureNfs(place, scale, cleanup, say)));
  await part('nfs', async (place) => listingFigures(await measureListing(place, scale, cleanup, say)));
  await part('nfs-sync', async (place) => nfsSyncFigures(await measureNfsSync(place, scale, cleanup, say)));
  await part('convert', async (place) => convertFigures(await measureConvert(place, scale, say)));
  await part('simulator', async () => [await measureSimulator(scale)]);
  return figures;
}

async function measure(options: Options, cleanup: Cleanup): Promise<Measured> {
  const disk = options.directory ?? tmpdir();
  await mkdir(disk, { recursive: true });
  const results = await tableRows(options, disk, cleanup);
  const figures = [...ratioFigures(results), ...(await specialFigures(options, disk, cleanup))];
  return { rows: results, figures };
}

async function main(words: readonly string[]): Promise<void> {
  const options = parseOptions(words);
  if (options.list) {
    console.log(rowNames.join('\n'));
    return;
  }
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cleanup.run().finally(() => process.exit(1)));
  }
  try {
    const measured = await measure(options, cleanup);
    await mkdir(options.out, { recursive: true });
    const text = markdown(measured, options.scale);
    await writeFile(join(options.out, 'nbd.md'), text);
    await writeFile(join(options.out, 'nbd.json'), json(measured, options.scale));
    await writeFile(join(options.out, 'nbd.svg'), plot(measured.figures));
    console.log(text);
    say(`written: nbd.md, nbd.json and nbd.svg in ${options.out}`);
  } finally {
    await cleanup.run();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  if (process.argv.length < 4) console.error(usage);
  process.exitCode = 1;
}
