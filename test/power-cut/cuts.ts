import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import type { SeededRandom } from '@ashlar/testing';
import { shell } from '../clients/served.ts';
import { startAfterCut, type FileSystem, type Subject } from './power.ts';
import { Recording } from './recording.ts';
import { TornDisk } from './torn-disk.ts';

/** The least that mkfs.xfs takes, and some more; most of it is never written. */
const diskBytes = 320 * MiB;

/** A disk that has never been written to. */
export function makeDisk(cwd: string): void {
  writeFileSync(join(cwd, 'disk'), '');
  truncateSync(join(cwd, 'disk'), diskBytes);
}

/** Copies what was ever written. */
export const copyDisk = (cwd: string, from: string, to: string): Promise<string> =>
  shell(`cp --sparse=always ${from} ${to}`, { cwd });

/** One cut: what was wrong afterwards, if anything. */
export type Cut = { readonly position: number; readonly left: string; readonly wrong: string };

/**
 * Cuts the recording at random positions, one after the other in order, and starts again after each. `durable` is the disk as it was
 * when the recording began; `next` becomes the disk that the last cut left.
 */
export async function* cutsOf(
  cwd: string,
  fileSystem: FileSystem,
  subject: Subject,
  count: number,
  random: SeededRandom,
): AsyncGenerator<Cut> {
  const recording = new Recording(join(cwd, 'recording'));
  const first = firstCut(cwd);
  const positions = Array.from({ length: count }, () => random.between(first, recording.length));
  const disk = new TornDisk(recording, join(cwd, 'durable'), fileSystem.tears);
  try {
    for (const position of positions.toSorted((a, b) => a - b)) {
      disk.advance(position);
      await copyDisk(cwd, 'durable', 'image');
      const left = disk.tear(join(cwd, 'image'), random);
      await copyDisk(cwd, 'image', 'next');
      yield { position, left, wrong: await startAfterCut(cwd, fileSystem, subject, position) };
    }
  } finally {
    disk.close();
  }
}

/** A new disk is cut only when its file system is there; one that was cut before at any time, when it is mounted again as well. */
function firstCut(cwd: string): number {
  const [line = ''] = readFileSync(join(cwd, 'ledger'), 'utf8').split('\n', 1);
  const opened = JSON.parse(line) as { readonly begun: number; readonly isNew: boolean };
  return opened.isNew ? opened.begun : 0;
}
