import { AshlarError, isPromise } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from '../../lock.ts';
import { encodeBitmaps, type NewBitmap } from '../bitmap-directory.ts';
import { mendedHeader } from '../check/mended-header.ts';
import { encodeHeader } from '../encode-header.ts';
import { autoclear, type Qcow2Header } from '../header.ts';
import { MetadataChange } from '../snapshots/metadata-change.ts';
import { readBitmaps, readHeader, writeHeaderFields } from '../stored.ts';
import { ImageBitmaps } from './image-bitmaps.ts';
import { putBits } from './put-bits.ts';

/**
 * The names of the bitmaps of a qcow2 image that are worth copying. `skipped` is told of the others; without it there is to be none. Fails as `openImage`
 * for an image that is none, and with `corrupt`.
 */
export async function bitmapsToCopy(host: Host, path: string, skipped?: (name: string) => void): Promise<string[]> {
  const file = openLocked(host, path, 'share');
  try {
    const all = await readBitmaps(file, await readHeader(file, path), path);
    for (const { name } of all.filter(({ isInUse }) => isInUse)) {
      const what = `the bitmap '${name}' of '${path}' was not written to its end, and is worth nothing`;
      if (skipped === undefined) {
        throw new AshlarError('corrupt', `${what}: --skip-broken-bitmaps leaves it out`, { path });
      }
      skipped(name);
    }
    return all.filter(({ isInUse }) => !isInUse).map(({ name }) => name);
  } finally {
    file.close();
  }
}

/**
 * Gives bitmaps of a qcow2 image to another one of the same size, which nobody has open, beside those that it has. Where that is cut off, it has none, or
 * all of them. Fails with `unsupported` where its format has none, `exists`, `not-found`, `corrupt` and `invalid`.
 */
export async function copyBitmaps(host: Host, from: string, to: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const source = openLocked(host, from, 'share');
  try {
    const sourceHeader = await readHeader(source, from);
    const bitmaps = await ImageBitmaps.of(source, sourceHeader);
    const target = openLocked(host, to, 'write');
    try {
      const header = await mendedHeader(target, to);
      refuse(header, to, sourceHeader.sizeBytes);
      await add(target, header, bitmaps, names);
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

function refuse({ sizeBytes, version }: Qcow2Header, path: string, wanted: number): void {
  if (version === 2) {
    throw new AshlarError('unsupported', `'${path}' is of compatibility 0.10, which has no bitmaps`, { path });
  }
  if (sizeBytes === wanted) return;
  throw new AshlarError('invalid', `'${path}' is of another size than the bitmaps: ${sizeBytes} and ${wanted} bytes`, {
    path,
  });
}

async function add(
  file: HostFile,
  header: Qcow2Header,
  bitmaps: ImageBitmaps | undefined,
  names: readonly string[],
): Promise<void> {
  const { path } = file;
  const there = await readBitmaps(file, header, path);
  const change = await MetadataChange.begin(file, header);
  const added: NewBitmap[] = [];
  for (const name of names) {
    if (there.some((each) => each.name === name)) {
      throw new AshlarError('exists', `'${path}' has a bitmap '${name}' already`, { path });
    }
    const bitmap = bitmaps?.all.find((each) => each.name === name);
    // Somebody who shares the source has removed it since it was named.
    if (bitmaps === undefined || bitmap === undefined)
      throw new AshlarError('not-found', `the bitmap '${name}' is gone`);
    const { granularity, isAuto } = bitmap;
    const table = await putBits(await bitmaps.read(name), 2 ** header.clusterBits, (bytes) => change.put(bytes));
    added.push({ name, granularity, isAuto, ...table });
  }
  const directory = encodeBitmaps([...there, ...added]);
  const directoryOffset = await change.put(directory);
  if (header.bitmaps !== undefined) change.drop(header.bitmaps.directoryOffset, header.bitmaps.directoryBytes);
  // What names the directory does not fit into one sector with the bit by which it counts.
  const without = header.autoclear & ~autoclear.bitmaps;
  await change.commit({ autoclear: without });
  const extension = { count: there.length + added.length, directoryBytes: directory.length, directoryOffset };
  const head = encodeHeader({ ...(await readHeader(file, path)), bitmaps: extension });
  const written = file.write(0, head);
  if (isPromise(written)) await written;
  await file.sync();
  await writeHeaderFields(file, header.version, { autoclear: without | autoclear.bitmaps });
}
