import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize, KiB, MiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import { ask } from './admin.ts';
import type { Cleanup } from './cleanup.ts';
import type { Figure } from './figure.ts';
import { fio, loadOf, type Load, type Throughput } from './fio.ts';
import { ashlar, qemuNbdOf, type Running } from './peers.ts';
import { run } from './process.ts';
import { metricsOf } from './metrics.ts';
import { fetchedBytes, residentBytes, untilAtRest, untilIdle } from './process-usage.ts';
import { everyChunk, fitting, timeStart } from './start-time.ts';
import { chunkBytes } from './footprint.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { median, medianRatio } from './statistics.ts';
import { timed } from './timed.ts';

const blockBytes = 4 * KiB;
const randomReads = loadOf('randread', blockBytes, 16);
const randomWrites = loadOf('randwrite', blockBytes, 16);
const reads = loadOf('read', MiB, 8);
const filling = loadOf('write', MiB, 8);

/** What is written behind each snapshot, of the disk. */
const writtenShare = 0.1;

/** The rates of two sides in turns: without a past and with one. */
type Turns = { readonly plain: readonly Throughput[]; readonly past: readonly Throughput[] };

const rates = (turns: readonly Throughput[]): number[] => turns.map((turn) => turn.operationsPerSecond);
const ratioOf = ({ plain, past }: Turns): number => medianRatio(rates(past), rates(plain));

export type PastResult = {
  readonly sizeBytes: number;
  readonly snapshots: number;
  readonly randomReads: Turns;
  readonly reads: Turns;
  readonly firstWrites: Turns;
  readonly peerRandomReads: Turns;
  readonly peerReads: Turns;
};

async function snapshot(directory: string, name: string): Promise<void> {
  await ask(directory, 'POST', '/v1/snapshots', { snapshots: [{ volume: 'disk', name }] });
}

/** A side whose disk is full and warm. */
async function filled(start: () => Promise<Running>, sizeBytes: number, cleanup: Cleanup): Promise<Running> {
  const running = await start();
  cleanup.add(() => running.stop());
  await fio(running.uri, filling, { sizeBytes });
  return running;
}

/** Of one that is read as a whole: so much of it may come from the disk in the pass that shows that it is warm. */
const coldShare = 0.01;
const mostPasses = 10;

/**
 * Reads all of a disk until hardly anything of a pass comes from the host's disk: the host's memory may have let go of what lay there while the disk was made, sooner on one
 * side than on the other, and how fast blocks are found is the question here.
 */
async function warmed({ uri, pid, directory }: Running, sizeBytes: number, say: (text: string) => void): Promise<void> {
  await settled(directory);
  for (let pass = 0; pass < mostPasses; pass += 1) {
    const before = fetchedBytes(pid);
    await fio(uri, reads, { sizeBytes });
    await untilIdle(pid);
    if (fetchedBytes(pid) - before <= sizeBytes * coldShare) return;
  }
  say(`snapshots: ${uri} still reads from the host's disk after ${mostPasses} passes: its rates are not of a warm one`);
}

/** Turns a round: one is short, and the sides are close to each other. */
const turnsEach = 3;

async function inTurns(plain: Running, past: Running, what: Load, { pairs, seconds }: Scale): Promise<Turns> {
  const turns = { plain: [] as Throughput[], past: [] as Throughput[] };
  const sides = [['plain', plain] as const, ['past', past] as const];
  for (let turn = 0; turn < pairs * turnsEach; turn += 1) {
    for (const [side, running] of turn % 2 === 0 ? sides : sides.toReversed()) {
      await untilIdle(running.pid);
      turns[side].push(await fio(running.uri, what, { seconds }));
    }
  }
  return turns;
}

/** 4k writes right behind a snapshot, to those of a volume without one that is as warm. */
async function firstWrites(running: Running, { pairs, seconds }: Scale): Promise<Turns> {
  const turns = { plain: [] as Throughput[], past: [] as Throughput[] };
  for (let round = 0; round < pairs; round += 1) {
    await untilIdle(running.pid);
    turns.plain.push(await fio(running.uri, randomWrites, { seconds }));
    await untilIdle(running.pid);
    await snapshot(running.directory, 'first');
    turns.past.push(await fio(running.uri, randomWrites, { seconds }));
    await ask(running.directory, 'DELETE', '/v1/volumes/disk/snapshots/first');
  }
  return turns;
}

/**
 * The size that is asked for, or less where the file system has no room. In each image of a chain of qcow2 nearly every cluster is written, where ours takes
 * what was written.
 */
async function sizeFitting(directory: string, { past: { sizeBytes, count } }: Scale): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const fits = (bavail * bsize * 0.8) / (count * (1 + writtenShare) + 4);
  return Math.max(64 * MiB, Math.min(sizeBytes, fits - (fits % (64 * MiB))));
}

/** A volume with many snapshots beside one that was written in the same way without any, and qcow2 with as long a chain. */
export async function measurePast(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<PastResult> {
  const { count } = scale.past;
  const sizeBytes = await sizeFitting(directory, scale);
  const writtenBytes = Math.floor((sizeBytes * writtenShare) / MiB) * MiB;
  const start = (name: string) => () => ashlar.start({ directory: join(directory, name), sizeBytes });
  const plain = await filled(start('plain'), sizeBytes, cleanup);
  const past = await filled(start('past'), sizeBytes, cleanup);
  for (let round = 0; round < count; round += 1) {
    await snapshot(past.directory, `s${round}`);
    for (const { uri } of [plain, past]) await fio(uri, { ...randomWrites, ioBytes: writtenBytes }, { sizeBytes });
  }
  say(`snapshots: ${count} are taken, with ${formatSize(writtenBytes)} written behind each`);
  for (const running of [plain, past]) await warmed(running, sizeBytes, say);
  const ours = {
    randomReads: await inTurns(plain, past, randomReads, scale),
    reads: await inTurns(plain, past, reads, scale),
  };
  await past.stop();
  const first = await firstWrites(plain, scale);
  await plain.stop();
  const peer = await measureChain(
    join(directory, 'qcow2'),
    { ...scale, past: { sizeBytes, count } },
    writtenBytes,
    cleanup,
    say,
  );
  return { sizeBytes, snapshots: count, ...ours, firstWrites: first, ...peer };
}

async function measureChain(
  directory: string,
  scale: Scale,
  writtenBytes: number,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<{ readonly peerRandomReads: Turns; readonly peerReads: Turns }> {
  const { sizeBytes, count } = scale.past;
  await mkdir(directory, { recursive: true });
  const image = (index: number): string => join(directory, `${index}.qcow2`);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', image(0), String(sizeBytes)]);
  const plain = await filled(() => qemuNbdOf(directory, image(0), 'plain'), sizeBytes, cleanup);
  await plain.stop();
  await run('cp', [image(0), join(directory, 'alone.qcow2')]);
  for (let index = 1; index <= count; index += 1) {
    const backing = ['-b', image(index - 1), '-F', 'qcow2'];
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, image(index)]);
    const running = await qemuNbdOf(directory, image(index), 'chain');
    cleanup.add(() => running.stop());
    await fio(running.uri, { ...randomWrites, ioBytes: writtenBytes }, { sizeBytes });
    await running.stop();
  }
  say(`snapshots: the chain of ${count} qcow2 files is made`);
  const alone = await qemuNbdOf(directory, join(directory, 'alone.qcow2'), 'plain');
  const chain = await qemuNbdOf(directory, image(count), 'chain');
  for (const running of [alone, chain]) {
    cleanup.add(() => running.stop());
    await warmed(running, sizeBytes, say);
  }
  const peerRandomReads = await inTurns(alone, chain, randomReads, scale);
  const peerReads = await inTurns(alone, chain, reads, scale);
  for (const running of [alone, chain]) await running.stop();
  return { peerRandomReads, peerReads };
}

export function pastFigures(result: PastResult, { quick }: Scale): Figure[] {
  const past = `${result.snapshots} snapshots of ${formatSize(result.sizeBytes)}, each with random writes over 10 % behind it`;
  const note = (peer: Turns): { note: string } => ({
    note: `both warm; qcow2 with a chain of ${result.snapshots}: ${ratioOf(peer).toFixed(2)}${quick ? '; asked for 100' : ''}`,
  });
  return [
    {
      name: `4k randread, depth 16, with ${past}, to none`,
      value: ratioOf(result.randomReads),
      unit: 'x',
      floor: 0.95,
      aim: 1,
      ...note(result.peerRandomReads),
    },
    {
      name: `1M read, depth 8, with ${past}, to none`,
      value: ratioOf(result.reads),
      unit: 'x',
      floor: 0.6,
      aim: 0.9,
      ...note(result.peerReads),
    },
    {
      name: '4k randwrite behind a snapshot, depth 16, to without',
      value: ratioOf(result.firstWrites),
      unit: 'x',
      floor: 0.5,
      aim: 0.8,
    },
  ];
}

export type MappedResult = {
  readonly sizeBytes: number;
  readonly takes: readonly number[];
  /** Each right before one of `takes`, behind one small write as well. */
  readonly flushes: readonly number[];
  readonly diffs: readonly number[];
  readonly many: Memory & { readonly count: number };
};

/** Of a server with many snapshots, less its cache, and how long it takes to start. */
type Memory = { readonly restBytes: number; readonly restartedBytes: number; readonly startSeconds: number };

async function diff(directory: string, since: string, until: string): Promise<void> {
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const path = `/v1/volumes/disk/changes?since=${since}&until=${until}&offset=${offset}&limit=100000`;
    ({ next: offset } = JSON.parse(await ask(directory, 'GET', path)) as { next?: number });
  }
}

/** How long a snapshot of a volume takes that has something in each of its chunks, what changed between two, and what a thousand of them cost. */
export async function measureMapped(
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<MappedResult> {
  const sizeBytes = await fitting(directory, scale.startBytes);
  const running = await ashlar.start({ directory, sizeBytes });
  cleanup.add(() => running.stop());
  await fio(running.uri, everyChunk, { sizeBytes });
  await untilIdle(running.pid);
  say(`snapshots: ${sizeBytes / chunkBytes} chunks are mapped`);
  const device = await openNbd(running.uri, { reconnectMs: 0 });
  const block = new Uint8Array(blockBytes);
  const write = async (): Promise<void> =>
    device.write(Math.floor(Math.random() * (sizeBytes / blockBytes)) * blockBytes, block, false);
  const times = { takes: [] as number[], flushes: [] as number[], diffs: [] as number[] };
  const changedBytes = Math.ceil((sizeBytes / chunkBytes) * 0.01) * blockBytes;
  for (let round = 0; round < scale.pairs; round += 1) {
    for (let take = 0; take < takesEach; take += 1) {
      await write();
      times.flushes.push(await timed(async () => device.flush()));
      await write();
      times.takes.push(await timed(() => snapshot(directory, `a${round}-${take}`)));
    }
    await fio(running.uri, { ...randomWrites, ioBytes: changedBytes }, { sizeBytes });
    await snapshot(directory, `b${round}`);
    await untilIdle(running.pid);
    times.diffs.push(await timed(() => diff(directory, `a${round}-${takesEach - 1}`, `b${round}`)));
  }
  const count = scale.manySnapshots;
  for (let index = 0; index < count; index += 1) {
    for (let written = 0; written < writesEach; written += 1) await write();
    await snapshot(directory, `m${index}`);
  }
  await device.close();
  say(`snapshots: ${count} are taken`);
  return { sizeBytes, ...times, many: { count, ...(await memoryOf(running, { directory, sizeBytes }, cleanup)) } };
}

/** Snapshots that are timed in a round. */
const takesEach = 10;
/** Blocks that are written before each of many snapshots. */
const writesEach = 10;

async function memoryOf(
  first: Running,
  settings: { readonly directory: string; readonly sizeBytes: number },
  cleanup: Cleanup,
): Promise<Memory> {
  const restBytes = await atRest(first);
  await first.stop('SIGKILL');
  const { running, seconds: startSeconds } = await timeStart(() => ashlar.start(settings));
  cleanup.add(() => running.stop());
  const restartedBytes = await atRest(running);
  await running.stop();
  return { restBytes, restartedBytes, startSeconds };
}

async function atRest({ pid, directory }: Running): Promise<number> {
  await untilAtRest(pid);
  return residentBytes(pid) - ((await metricsOf(directory)).get('ashlar_pool_cache_bytes') ?? Number.NaN);
}

export function mappedFigures({ sizeBytes, takes, flushes, diffs, many }: MappedResult): Figure[] {
  const volume = `${formatSize(sizeBytes)} with ${sizeBytes / chunkBytes} chunks mapped`;
  const past = `${volume} and ${many.count} snapshots`;
  return [
    {
      name: `snapshot of ${volume}, by the admin API, besides a flush`,
      value: Math.max(0, median(takes.map((seconds, index) => seconds - flushes[index]!))),
      unit: 's',
      floor: 0.01,
      aim: 0.001,
      note: `in all ${median(takes).toFixed(4)} s; the flush in front of it, of one block as well, ${median(flushes).toFixed(4)} s`,
    },
    { name: `diff of two snapshots of ${volume}, 1 % changed`, value: median(diffs), unit: 's', floor: 1, aim: 0.1 },
    {
      name: `memory at rest with ${past}, less its cache`,
      value: many.restBytes / MiB,
      unit: 'MiB',
      floor: 200,
      aim: 120,
    },
    {
      name: `the same after kill -9 and a start`,
      value: many.restartedBytes / MiB,
      unit: 'MiB',
      floor: 200,
      aim: 120,
    },
    { name: `start after kill -9 with ${past}`, value: many.startSeconds, unit: 's', floor: 3, aim: 1 },
  ];
}
