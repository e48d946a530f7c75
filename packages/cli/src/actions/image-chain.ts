import { createRealHost } from '@ashlar/host';
import { commitImage, rebaseImage, type ImageFormat } from '@ashlar/image';
import { UsageError } from '../failure.ts';
import { paced } from '../image/disks.ts';
import { imageNamed, qcow2Named, type NameOptions } from '../image/named.ts';
import { withPercent, type ProgressOptions } from '../image/percent.ts';
import { print } from '../output.ts';

export type CommitOptions = NameOptions &
  ProgressOptions & {
    readonly base?: string;
    readonly keep?: boolean;
    readonly rate?: number;
  };

export async function commit(word: string, options: CommitOptions): Promise<void> {
  const { base, keep = false, quiet = false, rate } = options;
  const { path, format } = imageNamed(word, options);
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

export type RebaseOptions = NameOptions &
  ProgressOptions & {
    readonly backing?: string;
    readonly backingFormat?: ImageFormat;
    readonly unsafe?: boolean;
  };

export async function rebase(word: string, options: RebaseOptions): Promise<void> {
  const { backing, backingFormat, unsafe = false } = options;
  if (backing === undefined && !unsafe) throw new UsageError("name the backing file: -b FILE, or -b '' for none");
  const path = qcow2Named(word, options);
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
