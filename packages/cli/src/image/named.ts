import { fileOf, parseQemuOptions, type DiskFile, type NamedDisk } from '@ashlar/disk';
import type { ImageFormat } from '@ashlar/image';
import { UsageError } from '../failure.ts';

/** How a command is told what the words are that name disks. */
export type NameOptions = { readonly format?: ImageFormat | undefined; readonly imageOpts?: boolean | undefined };

/** The disk that a word names. Throws `invalid` and `unsupported` of QEMU's options. */
export const diskNamed = (word: string, { format, imageOpts = false }: NameOptions): NamedDisk =>
  imageOpts ? parseQemuOptions(word) : { name: word, format };

/** The file of an image that a word names. Throws where it names another disk. */
export function imageNamed(word: string, options: NameOptions): DiskFile {
  const { format, name } = diskNamed(word, options);
  const file = fileOf(name, format);
  if (file === undefined) throw new UsageError(`'${name}' is no file of an image`);
  return file;
}

/** The path of one that is to be a qcow2 image. */
export function qcow2Named(word: string, options: NameOptions): string {
  const { format, path } = imageNamed(word, options);
  if (format === 'raw') throw new UsageError(`'${path}' is to be a qcow2 image, and not raw`);
  return path;
}
