import { hostname } from 'node:os';
import { allDone, AshlarError, assert } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { encodeAreaHeader, placeOfNext, runsOf, type AreaHeader, type TextPlace } from './area-header.ts';
import { lvmChecksum } from './checksum.ts';
import type { VolumeGroup } from './group.ts';
import { readGroup } from './read-group.ts';
import { parseText } from './text/parse.ts';
import { printText } from './text/print.ts';
import type { Section } from './text/tree.ts';

/** A metadata area that is written. */
export type OpenArea = { readonly file: HostFile; readonly header: AreaHeader };

/** What the text says of itself, as lvm2 has it. `description`: which command wrote it. */
export function textOf(host: Host, name: string, tree: Section, description: string): Section {
  return new Map<string, Section | string | number>([
    [name, tree],
    ['contents', 'Text Format Volume Group'],
    ['version', 1],
    ['description', description],
    ['creation_host', hostname()],
    ['creation_time', Math.floor(host.clock.wallMs() / 1000)],
  ]);
}

/** The bytes of a text; that they read as what is meant is asserted. */
export function bytesOfText(text: Section): { readonly bytes: Buffer; readonly group: VolumeGroup } {
  // LVM ends its texts with a zero.
  const bytes = Buffer.from(`${printText(text)}\0`, 'latin1');
  const group = readGroup(parseText(bytes.toString('latin1'), 'new metadata'), 'new metadata');
  assert(group.notUnderstood.length === 0, 'what is written is understood');
  return { bytes, group };
}

type Step = OpenArea & { readonly next: TextPlace };

/**
 * Writes a text to each area in lvm2's two steps: the text behind the one that counts, then a header that has prepared it, then one that has
 * committed it, each on the disk everywhere before the next. Whenever it ends, each area has the old text or the new one, and the newest
 * that is committed anywhere is whole. Fails with `no-space` before anything is written.
 */
export async function commitText(areas: readonly OpenArea[], bytes: Buffer): Promise<void> {
  assert(areas.length > 0, 'a group has an area for its metadata');
  const checksum = lvmChecksum(bytes);
  const steps = areas.map((area): Step => {
    const offset = placeOfNext(area.header, bytes.length, area.file.path);
    return { ...area, next: { offset, sizeBytes: bytes.length, checksum } };
  });
  const files = new Set(areas.map(({ file }) => file));
  const synced = (): Promise<void> => allDone([...files].map((file) => file.sync()));
  for (const step of steps) await writeText(step, bytes);
  await synced();
  try {
    for (const { file, header, next } of steps) await writeHeader(file, { ...header, prepared: next });
    await synced();
  } catch (error) {
    await undo(steps);
    throw error;
  }
  for (const { file, header, next } of steps) {
    await writeHeader(file, { ...header, committed: next, prepared: undefined });
  }
  await synced();
}

async function writeText({ file, header, next }: Step, bytes: Buffer): Promise<void> {
  let at = 0;
  for (const { length, offset } of runsOf(header.area, next)) {
    await file.write(offset, bytes.subarray(at, at + length));
    at += length;
  }
}

const writeHeader = async (file: HostFile, header: AreaHeader): Promise<void> =>
  await file.write(header.area.offset, encodeAreaHeader(header));

/** Nothing is prepared any more. What fails here leaves what lvm2 does not mind. */
async function undo(steps: readonly Step[]): Promise<void> {
  for (const { file, header } of steps) {
    try {
      await writeHeader(file, { ...header, prepared: undefined });
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
    }
  }
}
