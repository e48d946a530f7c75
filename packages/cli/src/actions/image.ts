import { fileOf, type DiskFile, type NamedDisk } from '@ashlar/disk';
import { createRealHost } from '@ashlar/host';
import { createImage, imageInfo, sizeOfNew, type ImageFormat, type ImageInfo, type NewImage } from '@ashlar/image';
import { formattingText, optionsOf } from '../image/create-options.ts';
import { openExisting } from '../image/disks.ts';
import { infoJson, infoText } from '../image/info-text.ts';
import { diskNamed, type NameOptions } from '../image/named.ts';
import { withBar } from '../progress.ts';

export type InfoOptions = NameOptions & {
  readonly output: 'human' | 'json';
  readonly json?: boolean;
  readonly backingChain?: boolean;
  readonly forceShare?: boolean;
};

export async function info(word: string, options: InfoOptions): Promise<void> {
  const { output, json = false, backingChain = false, forceShare = false } = options;
  const disk = diskNamed(word, options);
  const file = fileOf(disk.name, disk.format);
  const found =
    file === undefined
      ? [await otherInfo(disk)]
      : backingChain
        ? await chainOf(file, forceShare)
        : [await imageInfo(createRealHost(), file.path, { format: file.format, forceShare })];
  const shown = backingChain ? found.map(infoJson) : infoJson(found[0]!);
  process.stdout.write(
    `${json || output === 'json' ? JSON.stringify(shown, undefined, 4) : found.map(infoText).join('\n\n')}\n`,
  );
}

/** Of a disk that is no file by itself: of a server, a device's partition, a logical volume. */
async function otherInfo(disk: NamedDisk): Promise<ImageInfo> {
  const device = await openExisting(createRealHost(), disk, true);
  try {
    const { sizeBytes } = device;
    return { path: disk.name, format: 'raw', sizeBytes, diskBytes: undefined, qcow2: undefined };
  } finally {
    await device.close();
  }
}

/** The image and those that it is backed by, in their order. */
async function chainOf({ format, path }: DiskFile, forceShare: boolean): Promise<ImageInfo[]> {
  const found: ImageInfo[] = [];
  for (let next: string | undefined = path, as = format; next !== undefined;) {
    const image: ImageInfo = await imageInfo(createRealHost(), next, { format: as, forceShare });
    found.push(image);
    const behind = image.qcow2?.backingPath;
    next = behind === undefined || found.some((each) => each.path === behind) ? undefined : behind;
    const named = image.qcow2?.header.backingFormat;
    as = named === 'raw' || named === 'qcow2' ? named : undefined;
  }
  return found;
}

export type CreateOptions = {
  readonly format: ImageFormat;
  readonly options?: readonly string[];
  readonly backing?: string;
  readonly backingFormat?: string;
  readonly quiet?: boolean;
  readonly unsafe?: boolean;
};

export async function create(path: string, sizeBytes: number | undefined, options: CreateOptions): Promise<void> {
  const { backing, backingFormat, format, quiet = false, unsafe = false } = options;
  const given = optionsOf(format, options.options ?? []);
  const image: NewImage = {
    ...given,
    format,
    sizeBytes: sizeBytes ?? given.sizeBytes,
    backingFile: backing ?? given.backingFile,
    backingFormat: backingFormat ?? given.backingFormat,
    isUnsafe: unsafe,
  };
  const host = createRealHost();
  const size = await sizeOfNew(host, path, image);
  if (!quiet) process.stdout.write(`${formattingText(path, image, size, given)}\n`);
  await withBar('write', (progress) => createImage(host, path, { ...image, sizeBytes: size }, progress));
}
