import { createRealHost } from '@ashlar/host';
import { createImage, imageInfo, sizeOfNew, type ImageFormat, type ImageInfo, type NewImage } from '@ashlar/image';
import { formattingText, optionsOf } from '../image/create-options.ts';
import { infoJson, infoText } from '../image/info-text.ts';
import { withBar } from '../progress.ts';

export type InfoOptions = {
  readonly format?: ImageFormat;
  readonly output: 'human' | 'json';
  readonly json?: boolean;
  readonly backingChain?: boolean;
  readonly forceShare?: boolean;
};

export async function info(
  path: string,
  { format, output, json = false, backingChain = false, forceShare = false }: InfoOptions,
): Promise<void> {
  const found = backingChain
    ? await chainOf(path, format, forceShare)
    : [await imageInfo(createRealHost(), path, { format, forceShare })];
  const shown = backingChain ? found.map(infoJson) : infoJson(found[0]!);
  process.stdout.write(
    `${json || output === 'json' ? JSON.stringify(shown, undefined, 4) : found.map(infoText).join('\n\n')}\n`,
  );
}

/** The image and those that it is backed by, in their order. */
async function chainOf(path: string, format: ImageFormat | undefined, forceShare: boolean): Promise<ImageInfo[]> {
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
