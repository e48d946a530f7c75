import { AshlarError, MiB, type BlockDevice } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { mapChain } from '../copy/map.ts';
import { openLocked } from '../lock.ts';
import { openChain } from '../qcow2/chain.ts';
import { encodeHeader } from '../qcow2/encode-header.ts';
import { formatNamed, openImage, openWriteDevice, pathFrom, type ImageFormat } from '../qcow2/open.ts';
import { readHeader } from '../qcow2/stored.ts';

export type RebaseOptions = {
  /** As the image will name it; nothing: it is backed by nothing from then on. */
  readonly backingFile: string | undefined;
  readonly backingFormat: ImageFormat | undefined;
  /** Only the name is changed: both are known to be the same, or the old one is not there. */
  readonly isUnsafe: boolean;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
};

const stepBytes = MiB;

/**
 * Gives a qcow2 image another backing file, and shows what it showed: where the two differ, what the old one had is written into the image. Fails with
 * `invalid` where it is no qcow2 image, or the format of the backing file is not named, and as reads and writes do.
 */
export async function rebaseImage(host: Host, path: string, options: RebaseOptions): Promise<void> {
  const { backingFile, backingFormat, isUnsafe } = options;
  if (backingFile !== undefined && backingFormat === undefined) {
    throw new AshlarError('invalid', `the format of the backing file '${backingFile}' must be named: raw or qcow2`);
  }
  if (!isUnsafe) await writeDifferences(host, path, options);
  await nameBacking(host, path, backingFile, backingFormat);
}

async function nameBacking(
  host: Host,
  path: string,
  backingFile: string | undefined,
  backingFormat: ImageFormat | undefined,
): Promise<void> {
  const file = openLocked(host, path, 'write');
  try {
    const header = await readHeader(file, path);
    await file.write(0, encodeHeader({ ...header, backingFile, backingFormat }));
    await file.sync();
  } finally {
    file.close();
  }
}

/** A device, or what is read of none: zeros. */
type Behind = BlockDevice | undefined;

async function writeDifferences(host: Host, path: string, options: RebaseOptions): Promise<void> {
  const { backingFile, backingFormat, progress } = options;
  const chain = await openChain(host, path, { format: 'qcow2', forceShare: true });
  const opened: { close(): unknown }[] = [];
  const open = async (name: string | undefined, format: ImageFormat | undefined): Promise<Behind> => {
    if (name === undefined) return undefined;
    const device = await openImage(host, pathFrom(path, name), { format, followsFiles: true });
    opened.push(device);
    return device;
  };
  try {
    const { header } = chain.layers[0]!.qcow2!;
    const before = await open(header.backingFile, formatNamed(header.backingFormat, path));
    const after = await open(backingFile, backingFormat);
    const image = await openWriteDevice(host, path);
    opened.push(image);
    const alone = { layers: chain.layers.slice(0, 1), close: chain.close };
    for await (const { length, present, start } of mapChain(alone, 0, image.sizeBytes)) {
      if (!present) await rebaseRun(image, before, after, start, start + length);
      progress(start + length, image.sizeBytes);
    }
    await image.flush();
  } finally {
    for (const each of opened.toReversed()) await each.close();
    chain.close();
  }
}

/** What the image has nothing of itself. */
async function rebaseRun(image: BlockDevice, before: Behind, after: Behind, from: number, to: number): Promise<void> {
  const [old, next] = [new Uint8Array(stepBytes), new Uint8Array(stepBytes)];
  for (let at = from; at < to;) {
    const empty = Math.min(await emptyFrom(before, at, to), await emptyFrom(after, at, to));
    if (empty > at) {
      at = empty;
      continue;
    }
    const end = Math.min(to, at - (at % stepBytes) + stepBytes);
    const [one, other] = [old.subarray(0, end - at), next.subarray(0, end - at)];
    await Promise.all([readBehind(before, at, one), readBehind(after, at, other)]);
    await writeOthers(image, at, one, other);
    at = end;
  }
}

/** Up to where nothing is but zeros. */
async function emptyFrom(device: Behind, at: number, to: number): Promise<number> {
  if (device === undefined || at >= device.sizeBytes) return to;
  const end = Math.min(to, device.sizeBytes);
  const [first] = await device.extents(at, end - at, 1);
  if (first === undefined || first.state === 'data') return at;
  return first.offset + first.length;
}

async function readBehind(device: Behind, offset: number, into: Uint8Array): Promise<void> {
  const length = device === undefined ? 0 : Math.max(0, Math.min(into.length, device.sizeBytes - offset));
  into.fill(0, length);
  if (length > 0) await device!.read(offset, into.subarray(0, length));
}

/** What of `one` differs from `other`, in as much as has one entry in the tables. */
async function writeOthers(image: BlockDevice, offset: number, one: Uint8Array, other: Uint8Array): Promise<void> {
  const unitBytes = image.blockSizes.preferred;
  for (let at = 0; at < one.length;) {
    const end = Math.min(one.length, at + unitBytes - ((offset + at) % unitBytes));
    const part = one.subarray(at, end);
    if (Buffer.compare(part, other.subarray(at, end)) !== 0) await image.write(offset + at, part, false);
    at = end;
  }
}
