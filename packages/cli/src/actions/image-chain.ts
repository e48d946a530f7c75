import { fileOf } from '@ashlar/disk';
import { createRealHost } from '@ashlar/host';
import { commitImage, rebaseImage, type ImageFormat } from '@ashlar/image';
import { UsageError } from '../failure.ts';
import { paced } from '../image/disks.ts';
import { withPercent, type ProgressOptions } from '../image/percent.ts';
import { print } from '../output.ts';

export type CommitOptions = ProgressOptions & {
  readonly format?: ImageFormat;
  readonly base?: string;
  readonly keep?: boolean;
  readonly rate?: number;
};

function imageNamed(name: string, format: ImageFormat | undefined): { path: string; format: ImageFormat | undefined } {
  const file = fileOf(name, format);
  if (file === undefined) throw new UsageError(`'${name}' is no file of an image`);
  return file;
}

export async function commit(name: string, options: CommitOptions): Promise<void> {
  const { base, keep = false, quiet = false, rate } = options;
  const { path, format } = imageNamed(name, options.format);
  const host = createRealHost();
  await withPercent(options, 'committed', (progress) =>
    commitImage(host, path, {
      format,
      base,
      keeps: keep,
      paced: (device) => (rate === undefined ? device : paced(host, device, rate)),
      progress,
    }),
  );
  if (!quiet) print('Image committed.');
}

export type RebaseOptions = ProgressOptions & {
  readonly backing?: string;
  readonly backingFormat?: ImageFormat;
  readonly unsafe?: boolean;
};

export async function rebase(name: string, options: RebaseOptions): Promise<void> {
  const { backing, backingFormat, unsafe = false } = options;
  if (backing === undefined && !unsafe) throw new UsageError("name the backing file: -b FILE, or -b '' for none");
  const { path } = imageNamed(name, 'qcow2');
  const isNone = backing === undefined || backing === '';
  await withPercent(options, 'compared', (progress) =>
    rebaseImage(createRealHost(), path, {
      backingFile: isNone ? undefined : backing,
      backingFormat: isNone ? undefined : backingFormat,
      isUnsafe: unsafe,
      progress,
    }),
  );
}
