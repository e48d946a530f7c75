import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GiB, KiB, MiB } from '@ashlar/core';
import type { Figure } from './figure.ts';
import { run } from './process.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';
import { medianRatio } from './statistics.ts';
import { timed } from './timed.ts';

const ashlar = fileURLToPath(new URL('../packages/cli/bin/ashlar.js', import.meta.url));

/** What both are told, behind `convert`, of a disk of 10 GiB of which a fifth is data. */
type Target = {
  readonly title: string;
  readonly words: readonly string[];
  readonly source: string;
  readonly aim: number;
};

const targets: readonly Target[] = [
  { title: 'raw to qcow2', words: ['-f', 'raw', '-O', 'qcow2'], source: 'disk.raw', aim: 1.5 },
  { title: 'qcow2 to raw', words: ['-f', 'qcow2', '-O', 'raw'], source: 'disk.qcow2', aim: 1.5 },
  { title: 'raw to compressed qcow2', words: ['-f', 'raw', '-O', 'qcow2', '-c'], source: 'disk.raw', aim: 1 },
  {
    title: 'raw to qcow2 compressed with zstd',
    words: ['-f', 'raw', '-O', 'qcow2', '-c', '-o', 'compression_type=zstd'],
    source: 'disk.raw',
    aim: 1,
  },
];

const sides = [
  ['ours', process.execPath, [ashlar, 'image', 'convert']],
  ['theirs', 'qemu-img', ['convert']],
] as const;

/** Seconds, turn by turn. */
export type ConvertResult = readonly { readonly target: Target; readonly ours: number[]; readonly theirs: number[] }[];

/** A sparse disk with pieces of a program in it, at distances that are no multiples of anything. */
async function makeDisk(path: string, sizeBytes: number): Promise<void> {
  const [program, disk] = [await open(process.execPath, 'r'), await open(path, 'w')];
  try {
    await disk.truncate(sizeBytes);
    const { size } = await program.stat();
    const piece = Buffer.alloc(4 * MiB);
    for (let at = 0, count = 0; at + 5 * piece.length <= sizeBytes; at += 5 * piece.length, count += 1) {
      const from = (count * 3 * piece.length) % (size - piece.length);
      await program.read(piece, 0, piece.length, from);
      await disk.write(piece, 0, piece.length, at + ((count * 12) % 4096) * KiB);
    }
  } finally {
    await Promise.all([program.close(), disk.close()]);
  }
}

/**
 * The same disks converted by Ashlar and by qemu-img, in turns, from the host's memory into it. Each copy takes the place of the one before, in the pages that
 * this gives back: a virtual machine's host takes pages away that are free for some seconds, and who gets such a page waits for it ten times as long as a
 * copy takes. A first copy is not counted.
 */
export async function measureConvert(
  directory: string,
  { pairs, quick }: Scale,
  say: (text: string) => void,
): Promise<ConvertResult> {
  await makeDisk(join(directory, 'disk.raw'), quick ? 320 * MiB : 10 * GiB);
  const image = join(directory, 'disk.qcow2');
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(directory, 'disk.raw'), image]);
  const result = targets.map((target) => ({ target, ours: [] as number[], theirs: [] as number[] }));
  const copy = join(directory, 'copy');
  for (const { target, ...turns } of result) {
    const source = join(directory, target.source);
    await run('qemu-img', ['convert', ...target.words, source, copy]);
    for (let round = 0; round < pairs; round += 1) {
      for (const [side, command, words] of round % 2 === 0 ? sides : sides.toReversed()) {
        await settled(directory);
        await rm(copy);
        turns[side].push(await timed(() => run(command, [...words, ...target.words, source, copy])));
      }
    }
    await rm(copy);
    say(`convert: ${target.title} is measured`);
  }
  return result;
}

/** How many times as fast. */
export const convertFigures = (result: ConvertResult): Figure[] =>
  result.map(({ target: { aim, title }, ours, theirs }) => ({
    name: `image convert: ${title}, to qemu-img`,
    value: medianRatio(theirs, ours),
    unit: 'x',
    floor: 1,
    aim,
  }));
