import { resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import { fileOf, type NamedDisk } from '@ashlar/disk';
import { createRealHost, type Host } from '@ashlar/host';
import {
  bitmapsToCopy,
  concatenated,
  copyBitmaps,
  copyDisk,
  createTarget,
  deviceTarget,
  openCompressed,
  sizeOfNew,
  type CopyOptions,
  type CopySource,
  type CopyTarget,
  type ImageFormat,
  type NewImage,
} from '@ashlar/image';
import { UsageError } from '../failure.ts';
import { flattened, overBacking, refuseItself } from '../image/copies.ts';
import { optionsOf } from '../image/create-options.ts';
import { openExisting, openSource, openSources, withSources } from '../image/disks.ts';
import { diskNamed, type NameOptions } from '../image/named.ts';
import { withPercent, type ProgressOptions } from '../image/percent.ts';
import { snapshotNamed } from '../image/snapshot-name.ts';

export type CacheMode = 'none' | 'writeback' | 'writethrough' | 'directsync' | 'unsafe';

/** As qemu-img: so many zeros in a row become a hole where nobody says otherwise. */
const sparseBytes = 4096;

export type ConvertOptions = NameOptions &
  ProgressOptions & {
    readonly forceShare?: boolean;
    readonly targetImageOpts?: boolean;
    readonly outputFormat: ImageFormat;
    readonly options?: readonly string[];
    readonly backing?: string;
    readonly backingFormat?: ImageFormat;
    readonly compress?: boolean;
    readonly sparse?: number;
    readonly copyOffloading?: boolean;
    readonly create: boolean;
    readonly targetIsZero?: boolean;
    readonly coroutines: number;
    readonly outOfOrder?: boolean;
    readonly snapshot?: string;
    readonly rate?: number;
    readonly salvage?: boolean;
    readonly bitmaps?: boolean;
    readonly skipBrokenBitmaps?: boolean;
    readonly cache: CacheMode;
  };

export async function convert(words: readonly string[], options: ConvertOptions): Promise<void> {
  const last = words.at(-1);
  if (last === undefined || words.length === 1)
    throw new UsageError('name what is converted, and behind it the target');
  const from = words.slice(0, -1).map((word) => diskNamed(word, options));
  refuse(from, options);
  const to = targetNamed(last, options);
  const host = createRealHost();
  const finish = options.bitmaps === true ? await bitmapsFor(host, from[0]!, to, options) : undefined;
  const snapshot = snapshotNamed(options.snapshot);
  const opening = openSources(from, (each) => openSource(host, each, { ...options, snapshot }));
  await withSources(opening, async (sources) => {
    refuseItself(sources, to.name);
    const source = concatenated(sources);
    const target = await targetFor(host, to, source, options);
    try {
      await withPercent(options, 'converted', (progress) =>
        copyDisk(source, target, { ...copyOptions(options), progress }),
      );
      await target.finish(options.cache !== 'unsafe' || fileOf(to.name) === undefined);
    } finally {
      await target.close();
    }
    await finish?.();
  });
}

type Target = NamedDisk & { readonly format: ImageFormat };

function targetNamed(word: string, { outputFormat, targetImageOpts }: ConvertOptions): Target {
  const { format, name } = diskNamed(word, { format: outputFormat, imageOpts: targetImageOpts });
  // What is there would be looked at to find out, and a guest may have written what is there.
  if (format === undefined && fileOf(name) !== undefined) {
    throw new UsageError(`'${word}' says no format of the target: add driver=raw or driver=qcow2`);
  }
  return { name, format: format ?? 'raw' };
}

function refuse(from: readonly NamedDisk[], options: ConvertOptions): void {
  const { backing, bitmaps, compress, copyOffloading, create, outOfOrder } = options;
  const { salvage, skipBrokenBitmaps, snapshot, sparse, targetImageOpts, targetIsZero } = options;
  if (compress === true && outOfOrder === true) throw new UsageError('-W and -c exclude each other');
  if (copyOffloading === true && (compress === true || salvage === true || sparse !== undefined)) {
    throw new UsageError('-C copies what is there as it is: leave out -c, -S and --salvage');
  }
  if (targetImageOpts === true && create)
    throw new UsageError('--target-image-opts is of targets that are there: add -n');
  if (targetIsZero === true && create) throw new UsageError('--target-is-zero is of targets that are there: add -n');
  if (bitmaps === true && from.length > 1) throw new UsageError('--bitmaps are of one disk: name no other');
  if (bitmaps === true && snapshot !== undefined) {
    throw new UsageError('--bitmaps are of what an image has now, and not of its snapshots: leave out -l');
  }
  if (skipBrokenBitmaps === true && bitmaps !== true) throw new UsageError('--skip-broken-bitmaps needs --bitmaps');
  if (backing !== undefined && !create) throw new UsageError('-B is of targets that are made: leave out -n');
}

/** What copies the bitmaps when all else is copied. Fails where there can be none. */
async function bitmapsFor(
  host: Host,
  from: NamedDisk,
  to: Target,
  options: ConvertOptions,
): Promise<() => Promise<void>> {
  const pathOf = ({ format, name }: NamedDisk): string => {
    const file = fileOf(name, format);
    if (file !== undefined && file.format !== 'raw') return file.path;
    throw new AshlarError('unsupported', `'${name}' has no bitmaps: only qcow2 images have them`);
  };
  const [source, target] = [pathOf(from), pathOf(to)];
  if (options.create && optionsOf(to.format, options.options ?? []).version === 2) {
    throw new AshlarError('unsupported', `'${to.name}' is to be of compatibility 0.10, which has no bitmaps`);
  }
  const skipped = (bitmap: string): void => {
    process.stderr.write(`ashlar: the bitmap '${bitmap}' is worth nothing, and left out\n`);
  };
  const names = await bitmapsToCopy(host, source, options.skipBrokenBitmaps === true ? skipped : undefined);
  return () => copyBitmaps(host, source, target, names);
}

async function targetFor(host: Host, to: Target, source: CopySource, options: ConvertOptions): Promise<CopyTarget> {
  const { backing, backingFormat, compress = false, create } = options;
  const { format, name } = to;
  const file = fileOf(name, format);
  const isDevice = file !== undefined && host.stat(file.path)?.kind === 'device';
  const isThere = !create || file === undefined || isDevice;
  if (!isThere) {
    const given = optionsOf(format, options.options ?? []);
    const image: NewImage = {
      ...given,
      format,
      sizeBytes: source.sizeBytes,
      backingFile: backing ?? given.backingFile,
      backingFormat: backingFormat ?? given.backingFormat,
    };
    if (image.format === 'raw' && image.backingFile !== undefined) {
      throw new AshlarError('invalid', 'a raw image is backed by nothing: write -O qcow2');
    }
    const sizeBytes = await sizeOfNew(host, file.path, image);
    return await createTarget(host, file.path, { ...image, sizeBytes }, compress);
  }
  const { sizeBytes, target } = await openThere(host, to, isDevice, options);
  if (sizeBytes >= source.sizeBytes) return target;
  await target.close();
  throw new AshlarError(
    'no-space',
    `'${name}' has ${sizeBytes} bytes, and what is converted ${source.sizeBytes}: make it larger first`,
  );
}

type There = { readonly target: CopyTarget; readonly sizeBytes: number };

async function openThere(
  host: Host,
  { format, name }: Target,
  isDevice: boolean,
  { compress = false, targetIsZero: isZero = false }: ConvertOptions,
): Promise<There> {
  const file = fileOf(name, format);
  if (compress) {
    if (file !== undefined && format === 'qcow2' && !isDevice) return await openCompressed(host, file.path, isZero);
    throw new AshlarError('invalid', `'${name}' is there, and is no image that could be compressed`);
  }
  // A device that is in use is not written over.
  const there = isDevice && file !== undefined ? `dev://${resolve(file.path)}` : name;
  const device = await openExisting(host, { name: there, format: file === undefined ? undefined : format }, false);
  return { target: deviceTarget(device, isZero), sizeBytes: device.sizeBytes };
}

function copyOptions(options: ConvertOptions): Omit<CopyOptions, 'progress'> {
  const {
    backing,
    coroutines,
    copyOffloading = false,
    outOfOrder = false,
    salvage = false,
    sparse = sparseBytes,
  } = options;
  const salvaged = (offset: number, error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`ashlar: what is at byte ${offset} is zeros now, since it cannot be read: ${why}\n`);
  };
  return {
    requests: coroutines,
    sparseBytes: sparse,
    isOffloaded: copyOffloading,
    isUnordered: outOfOrder,
    kindOf: backing === undefined ? flattened : overBacking,
    ...(salvage ? { salvaged } : {}),
  };
}
