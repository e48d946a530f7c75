import { AshlarError } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { createImage, type NewImage } from '../create-image.ts';
import { freshTarget } from '../qcow2/fresh-target.ts';
import { openImage } from '../qcow2/open.ts';
import { deviceTarget, rawTarget, type CopyTarget } from './target.ts';

/**
 * Makes an image, in place of what is there, to copy something to. Nothing of it is durable before `finish` makes it so. Fails as `createImage`, and
 * with `invalid` where it cannot be compressed.
 */
export async function createTarget(
  host: Host,
  path: string,
  image: NewImage & { readonly sizeBytes: number },
  isCompressed: boolean,
): Promise<CopyTarget> {
  if (isCompressed && (image.format === 'raw' || image.dataFile !== undefined)) {
    throw new AshlarError('invalid', 'only qcow2 images that have their data in themselves are compressed');
  }
  await createImage(host, path, { ...image, isDurable: false });
  if (image.format === 'raw') return rawTarget(host, path);
  if (isCompressed) {
    const { freshCompressed } = await import('../qcow2/compressed-target.ts');
    return await freshCompressed(host, path);
  }
  if (image.backingFile === undefined) return await freshTarget(host, path);
  return deviceTarget(await openImage(host, path, { format: 'qcow2', followsFiles: true, readOnly: false }), false);
}

/**
 * Opens a qcow2 image that is there, and that is compressed where it is written. `isZero`: nothing but zeros is in it. Fails as `openImage`, and with `invalid`
 * where its data lies in another file.
 */
export async function openCompressed(
  host: Host,
  path: string,
  isZero: boolean,
): Promise<{ readonly target: CopyTarget; readonly sizeBytes: number }> {
  const { compressedOver } = await import('../qcow2/compressed-target.ts');
  return await compressedOver(host, path, isZero);
}
