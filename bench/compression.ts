import { randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize, KiB, MiB } from '@ashlar/core';
import { btrfsBytes } from './btrfs.ts';
import type { Cleanup } from './cleanup.ts';
import { dropCaches, whyNotCold } from './cold.ts';
import type { Figure } from './figure.ts';
import { fio, loadOf, type Load } from './fio.ts';
import { ashlar, qcow2Of, qemuNbdCompressing, qemuNbdQcow2, type Running } from './peers.ts';
import { run } from './process.ts';
import { untilIdle } from './process-usage.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { median, medianRatio } from './statistics.ts';
import { timed } from './timed.ts';

/** A compressed volume, one that is not, and the peer: qcow2 with zstd. */
const sides = ['zstd', 'off', 'qcow2'] as const;

type Side = (typeof sides)[number];

/** Something of each side, turn by turn. */
type Turns = Readonly<Record<Side, readonly number[]>>;

const reads = loadOf('read', MiB, 8);
const randomReads = loadOf('randread', 4 * KiB, 16);

/** Of cold random reads one on so many bytes: most of them find nothing that another one has decompressed. */
const bytesARead = 256 * KiB;
/** How much random data is written, of the programs. */
const randomShare = 1 / 2;

type Image = {
  /** Where the sides keep what they have of it, a directory each. */
  readonly directory: string;
  readonly path: string;
  readonly sizeBytes: number;
};

/** What a side takes on the disk for an image, in bytes, and the bytes a second at which it came there. */
type Written = { readonly rates: Turns; readonly room: Readonly<Record<Side, number>> };

export type CompressionResult = {
  readonly sizeBytes: number;
  readonly programs: Written;
  readonly random: Written;
  readonly btrfsBytes: number | undefined;
  /** Operations a second; the cold ones are missing where nothing can be measured cold. */
  readonly coldReads: Turns | undefined;
  readonly coldRandomReads: Turns | undefined;
  readonly warmRandomReads: Turns;
};

/** Writes a file of pieces that are asked for one after the other. */
async function imageOf(path: string, sizeBytes: number, piece: () => Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let written = 0; written < sizeBytes;) {
      const bytes = piece().subarray(0, sizeBytes - written);
      await file.writeFile(bytes);
      written += bytes.length;
    }
  } finally {
    await file.close();
  }
}

/** The program that runs this, again and again: every machine has it, and no side sees far enough to find it again. */
async function programsOf(path: string, sizeBytes: number): Promise<void> {
  const program = await readFile(process.execPath);
  await imageOf(path, sizeBytes, () => program);
}

async function inTurns(rounds: number, turn: (side: Side) => Promise<number>): Promise<Turns> {
  const turns: Record<Side, number[]> = { zstd: [], off: [], qcow2: [] };
  for (let round = 0; round < rounds; round += 1) for (const side of sides) turns[side].push(await turn(side));
  return turns;
}

const placeOf = (side: Side, { directory }: Image): string => join(directory, side);

async function start(side: Side, use: 'write' | 'read', image: Image, cleanup: Cleanup): Promise<Running> {
  const place = { directory: placeOf(side, image), sizeBytes: image.sizeBytes };
  // The filter that compresses would read whole clusters where a block is asked for.
  const qcow2 = use === 'write' ? qemuNbdCompressing : qemuNbdQcow2;
  const running = await (side === 'qcow2'
    ? qcow2.start(place)
    : ashlar.start({ ...place, environment: { ASHLAR_COMPRESSION: side } }));
  cleanup.add(() => running.stop());
  return running;
}

/** Bytes a second until all of an image is flushed and home: what is not yet goes there when the server ends. */
async function writeAnew(side: Side, image: Image, cleanup: Cleanup): Promise<number> {
  await rm(placeOf(side, image), { recursive: true, force: true });
  const running = await start(side, 'write', image, cleanup);
  await settled(image.directory);
  const requests = [`--request-size=${MiB}`, '--requests=8', '--connections=1'];
  const seconds = await timed(async () => {
    await run('nbdcopy', ['--flush', '--sparse=0', ...requests, image.path, running.uri]);
    await running.stop();
  });
  return image.sizeBytes / seconds;
}

/** Bytes on the host's disk: data, maps, checksums and records; not Ashlar's journal, which takes the same whatever is in it. */
async function roomOf(side: Side, image: Image): Promise<number> {
  const place = placeOf(side, image);
  const paths = side === 'qcow2' ? [qcow2Of(place)] : ['data', 'pages', 'records'].map((of) => join(place, 'pool', of));
  const text = await run('du', ['--summarize', '--total', '--block-size=1', ...paths]);
  return Number(text.trim().split('\n').at(-1)!.split('\t')[0]);
}

/** Leaves what was written last. */
async function write(image: Image, rounds: number, cleanup: Cleanup): Promise<Written> {
  const rates = await inTurns(rounds, (side) => writeAnew(side, image, cleanup));
  const [zstd, off, qcow2] = await Promise.all(sides.map((side) => roomOf(side, image)));
  return { rates, room: { zstd: zstd!, off: off!, qcow2: qcow2! } };
}

/** A load on a server whose disk is neither in its memory nor in the host's. */
async function coldTurn(side: Side, load: Load, image: Image, cleanup: Cleanup): Promise<number> {
  await dropCaches(image.directory);
  const running = await start(side, 'read', image, cleanup);
  const { operationsPerSecond } = await fio(running.uri, load, { sizeBytes: image.sizeBytes });
  await running.stop();
  return operationsPerSecond;
}

async function warmTurns(image: Image, { pairs, seconds }: Scale, cleanup: Cleanup): Promise<Turns> {
  const running = new Map<Side, Running>();
  for (const side of sides) {
    const started = await start(side, 'read', image, cleanup);
    await fio(started.uri, reads, { sizeBytes: image.sizeBytes });
    running.set(side, started);
  }
  const turns = await inTurns(pairs, async (side) => {
    const { pid, uri } = running.get(side)!;
    await untilIdle(pid);
    return (await fio(uri, randomReads, { seconds })).operationsPerSecond;
  });
  for (const each of running.values()) await each.stop();
  return turns;
}

const last = (turns: Turns, text: (value: number) => string): string =>
  sides.map((side) => `${side} ${text(turns[side].at(-1)!)}`).join(', ');

/** Random data: what nothing makes smaller. Nothing of it is left. */
async function measureRandom(directory: string, sizeBytes: number, rounds: number, cleanup: Cleanup): Promise<Written> {
  const path = join(directory, 'random.raw');
  await imageOf(path, sizeBytes, () => randomBytes(MiB));
  const written = await write({ directory, path, sizeBytes }, rounds, cleanup);
  for (const side of sides) await rm(join(directory, side), { recursive: true });
  await rm(path);
  return written;
}

/** A compressed volume beside one that is not and qcow2, all written and read by the same clients over NBD. */
export async function measureCompression(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<CompressionResult> {
  const { compressedBytes: sizeBytes, pairs } = scale;
  const told = (what: string, turns: Turns): Turns => {
    say(`compression: ${what}, operations a second: ${last(turns, (rate) => String(Math.round(rate)))}`);
    return turns;
  };
  const random = await measureRandom(directory, sizeBytes * randomShare, pairs, cleanup);
  say(`compression: random data is written, a second: ${last(random.rates, formatSize)}`);
  const image = { directory, path: join(directory, 'programs.raw'), sizeBytes };
  await programsOf(image.path, sizeBytes);
  const programs = await write(image, pairs, cleanup);
  say(`compression: programs are written, a second: ${last(programs.rates, formatSize)}`);
  const btrfs = await btrfsBytes(directory, image.path, sizeBytes, cleanup, say);
  const reason = whyNotCold();
  if (reason !== undefined) say(`compression: nothing is read cold, ${reason}`);
  const cold = async (what: string, load: Load): Promise<Turns | undefined> =>
    reason === undefined ? told(what, await inTurns(pairs, (side) => coldTurn(side, load, image, cleanup))) : undefined;
  const coldReads = await cold('1M read cold', reads);
  const few = { ...randomReads, ioBytes: (sizeBytes / bytesARead) * randomReads.blockBytes };
  const coldRandomReads = await cold('4k randread cold', few);
  const warmRandomReads = told('4k randread warm', await warmTurns(image, scale, cleanup));
  return { sizeBytes, programs, random, btrfsBytes: btrfs, coldReads, coldRandomReads, warmRandomReads };
}

/** What must be reached at the least, and what is aimed at. */
type Bounds = readonly [floor: number, aim: number];

function roomFigures({ sizeBytes, programs, random, btrfsBytes: btrfs }: CompressionResult): Figure[] {
  const size = formatSize(sizeBytes);
  const figure = (name: string, theirs: number, ours: number, [floor, aim]: Bounds): Figure => ({
    name,
    value: theirs / ours,
    unit: 'x',
    floor,
    aim,
    note: `${formatSize(ours)} in place of ${formatSize(theirs)}`,
  });
  const { zstd, off, qcow2 } = programs.room;
  const inBtrfs =
    btrfs === undefined
      ? []
      : [figure(`room of ${size} of programs, compressed, to btrfs with zstd:1`, btrfs, zstd, [0.95, 1])];
  return [
    figure(`room of ${size} of programs, compressed, to not`, off, zstd, [1.8, 2.2]),
    figure(`room of ${size} of programs, compressed, to qcow2 with zstd`, qcow2, zstd, [0.85, 0.95]),
    ...inBtrfs,
    figure('room of random data, compressed, to not', random.room.off, random.room.zstd, [0.99, 0.999]),
  ];
}

/** A compressed volume to another side. */
function rateFigure(
  name: string,
  turns: Turns,
  side: Side,
  [floor, aim]: Bounds,
  text: (rate: number) => string = (rate) => String(Math.round(rate)),
): Figure {
  return {
    name: `${name}, compressed to ${side === 'off' ? 'not' : 'qcow2 with zstd'}`,
    value: medianRatio(turns.zstd, turns[side]),
    unit: 'x',
    floor,
    aim,
    note: `${text(median(turns.zstd))} to ${text(median(turns[side]))} a second`,
  };
}

export function compressionFigures(result: CompressionResult): Figure[] {
  const { programs, random, coldReads, coldRandomReads, warmRandomReads } = result;
  const figures = roomFigures(result);
  const written = 'programs written, flushed and home';
  figures.push(
    rateFigure(written, programs.rates, 'off', [0.15, 0.3], formatSize),
    rateFigure(written, programs.rates, 'qcow2', [0.5, 1], formatSize),
    rateFigure('random data written, flushed and home', random.rates, 'off', [0.8, 0.95], formatSize),
  );
  if (coldReads !== undefined) {
    const name = '1M read cold, depth 8';
    figures.push(rateFigure(name, coldReads, 'off', [0.4, 0.7]), rateFigure(name, coldReads, 'qcow2', [0.5, 1]));
  }
  if (coldRandomReads !== undefined) {
    const name = '4k randread cold, depth 16';
    figures.push(rateFigure(name, coldRandomReads, 'off', [0.2, 0.5]));
    figures.push(rateFigure(name, coldRandomReads, 'qcow2', [0.25, 0.8]));
  }
  const warm = '4k randread warm, depth 16';
  figures.push(rateFigure(warm, warmRandomReads, 'off', [0.95, 1]), rateFigure(warm, warmRandomReads, 'qcow2', [2, 4]));
  return figures;
}
