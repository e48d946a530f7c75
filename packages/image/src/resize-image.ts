import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { ImagePreallocation } from './create-image.ts';
import { openLocked } from './lock.ts';
import { openWriteDevice, probeFormat, type ImageFormat } from './qcow2/open.ts';
import { reserveRaw } from './raw/reserve.ts';
import { writeZeros } from './zeros.ts';

export type ResizeImageOptions = {
  /** Without it the file is looked at. */
  readonly format?: ImageFormat | undefined;
  /** Default `off`. Of what is added. */
  readonly preallocation?: ImagePreallocation | undefined;
  /** Default false: an image does not become smaller. */
  readonly shrinks?: boolean | undefined;
};

/**
 * Changes the size of an image. `sizeFor` gives the new one, of bytes, for that which it has. Fails as `openImage`, and with `invalid` where that may not
 * be, `no-space`.
 */
export async function resizeImage(
  host: Host,
  path: string,
  sizeFor: (before: number) => number,
  { format, preallocation = 'off', shrinks = false }: ResizeImageOptions,
): Promise<void> {
  const check = (before: number): number => {
    const to = sizeFor(before);
    if (to <= 0) throw new AshlarError('invalid', `an image has a size above 0, and ${to} bytes is none`);
    if (to <= before && preallocation !== 'off') {
      throw new AshlarError('invalid', 'room is preallocated for what is added, and nothing is');
    }
    if (to >= before || shrinks) return to;
    throw new AshlarError(
      'invalid',
      `making '${path}' smaller deletes what is behind the new end: say --shrink if that is meant`,
      { path },
    );
  };
  if ((format ?? (await formatOf(host, path))) === 'raw') return await resizeRaw(host, path, check, preallocation);
  const device = await openWriteDevice(host, path);
  try {
    const before = device.sizeBytes;
    const to = check(before);
    await device.resize(to, preallocation === 'full' ? 'falloc' : preallocation);
    if (preallocation === 'full') {
      await writeZeros((at, zeros) => device.write(before + at, zeros, false), to - before);
    }
  } finally {
    await device.close();
  }
}

async function formatOf(host: Host, path: string): Promise<ImageFormat> {
  const file = openLocked(host, path, 'share');
  try {
    return await probeFormat(file);
  } finally {
    file.close();
  }
}

async function resizeRaw(
  host: Host,
  path: string,
  check: (before: number) => number,
  preallocation: ImagePreallocation,
): Promise<void> {
  if (preallocation === 'metadata') throw new AshlarError('invalid', 'a raw image has no metadata to preallocate');
  const file = openLocked(host, path, 'write');
  try {
    const before = file.size();
    const to = check(before);
    file.truncate(to);
    if (to > before) await reserveRaw(file, before, to, preallocation);
    await file.sync();
  } finally {
    file.close();
  }
}
