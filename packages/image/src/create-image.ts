import { alignUp, AshlarError, type Preallocation } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from './lock.ts';
import { createDefaults, createQcow2, type CreateOptions } from './qcow2/create.ts';
import { openImage, openWriteDevice, pathFrom, type ImageFormat } from './qcow2/open.ts';
import { reserveRaw } from './raw/reserve.ts';
import { writeZeros, type Progress } from './zeros.ts';

/** `metadata`: each cluster has its place, and no room; of raw images there is none to have. */
export type ImagePreallocation = Preallocation | 'metadata';

export type NewImage = Partial<Omit<CreateOptions, 'sizeBytes'>> & {
  readonly format: ImageFormat;
  /** Without it that of the backing file. */
  readonly sizeBytes: number | undefined;
  readonly preallocation?: ImagePreallocation;
  /** The backing file is not looked at: it may not be there yet. */
  readonly isUnsafe?: boolean;
  /** Default true: it is there after a loss of power. */
  readonly isDurable?: boolean;
};

/** The size of an image that is made, which may be that of its backing file. Fails with `invalid`, and as `openImage` of that. */
export async function sizeOfNew(host: Host, path: string, image: NewImage): Promise<number> {
  const { backingFile, backingFormat, isUnsafe = false, sizeBytes } = image;
  if (backingFile === undefined || isUnsafe) {
    if (sizeBytes === undefined) throw new AshlarError('invalid', `'${path}' needs a size`, { path });
    return sizeBytes;
  }
  if (backingFormat !== 'raw' && backingFormat !== 'qcow2') {
    throw new AshlarError('invalid', `the format of the backing file '${backingFile}' must be named: raw or qcow2`);
  }
  const backing = await openImage(host, pathFrom(path, backingFile), { format: backingFormat, followsFiles: true });
  const found = sizeBytes ?? backing.sizeBytes;
  await backing.close();
  return found;
}

/** Makes an image in which nothing is, in place of what is there. Fails with `invalid`, `no-space`, `denied`. */
export async function createImage(
  host: Host,
  path: string,
  image: NewImage & { readonly sizeBytes: number },
  progress: Progress = () => undefined,
): Promise<void> {
  const { isDurable = true, preallocation = 'off', sizeBytes } = image;
  if (image.format === 'raw') {
    if (preallocation === 'metadata') throw new AshlarError('invalid', 'a raw image has no metadata to preallocate');
    return await makeRaw(host, path, sizeBytes, preallocation, progress);
  }
  const { dataFile } = image;
  if (dataFile !== undefined) await makeRaw(host, pathFrom(path, dataFile), sizeBytes, 'off', progress);
  // As QEMU: it has whole sectors.
  await createQcow2(
    host,
    path,
    { ...createDefaults, ...defined(image), sizeBytes: alignUp(sizeBytes, 512) },
    isDurable,
  );
  // A file of data that may be read as a raw image has it all.
  if (preallocation === 'off' && image.dataFileRaw !== true) return;
  const device = await openWriteDevice(host, path);
  try {
    await device.preallocate(preallocation === 'falloc' || preallocation === 'full');
    if (preallocation !== 'full') return;
    await writeZeros((at, zeros) => device.write(at, zeros, false), sizeBytes, progress);
  } finally {
    await device.close();
  }
}

function defined(image: NewImage): Partial<CreateOptions> {
  return Object.fromEntries(Object.entries(image).filter(([, value]) => value !== undefined));
}

async function makeRaw(
  host: Host,
  path: string,
  sizeBytes: number,
  preallocation: Preallocation,
  progress: Progress,
): Promise<void> {
  const file = openLocked(host, path, 'write', { create: true });
  try {
    file.truncate(0);
    file.truncate(sizeBytes);
    if (sizeBytes > 0) await reserveRaw(file, 0, sizeBytes, preallocation, progress);
  } finally {
    file.close();
  }
}
