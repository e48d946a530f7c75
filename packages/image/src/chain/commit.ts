import { AshlarError, type BlockDevice } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { copyDisk, type CopyOptions } from '../copy/copy-disk.ts';
import { mapChain, type MapRun } from '../copy/map.ts';
import { sourceOf } from '../copy/source.ts';
import { deviceTarget } from '../copy/target.ts';
import { openLocked } from '../lock.ts';
import { openChain, type Chain, type ChainLayer } from '../qcow2/chain.ts';
import { openImage, openWriteDevice, pathFrom, type ImageFormat } from '../qcow2/open.ts';

export type CommitOptions = {
  readonly format?: ImageFormat | undefined;
  /** An image of the chain, by its path or as it is named there; without it the one that the image is backed by. */
  readonly base?: string | undefined;
  /** What is in the image stays there as well; so it does where images are between it and the base. */
  readonly keeps: boolean;
  /** A view of the device that is read: how fast that may be. */
  readonly paced: (device: BlockDevice) => BlockDevice;
} & Pick<CopyOptions, 'progress'>;

/**
 * Writes all that an image, and those between it and its base, have into the base, which grows where it is smaller. Fails with `invalid` where the image is
 * backed by nothing, `not-found` where the base is not in the chain, and as reads and writes do.
 */
export async function commitImage(host: Host, path: string, options: CommitOptions): Promise<void> {
  const chain = await openChain(host, path, { format: options.format, forceShare: true });
  // Nobody writes to it meanwhile; what is behind it may be locked, since it is written.
  const held = openLocked(host, path, 'read');
  try {
    const depth = depthOf(chain, path, options.base);
    await writeInto(host, chain, depth, options);
    if (options.keeps || depth > 1) return;
  } finally {
    held.close();
    chain.close();
  }
  const device = await openWriteDevice(host, path);
  try {
    await device.empty();
  } finally {
    await device.close();
  }
}

function depthOf({ layers }: Chain, path: string, base: string | undefined): number {
  if (layers.length < 2) throw new AshlarError('invalid', `'${path}' has no backing file`, { path });
  if (base === undefined) return 1;
  const depth = layers.findIndex((layer, at) => at > 0 && (layer.path === base || layer.path === named(path, base)));
  if (depth > 0) return depth;
  throw new AshlarError('not-found', `'${base}' is not in the backing chain of '${path}'`, { path });
}

function named(path: string, base: string): string | undefined {
  try {
    return pathFrom(path, base);
  } catch {
    // No path at all.
    return undefined;
  }
}

async function writeInto(host: Host, chain: Chain, depth: number, options: CommitOptions): Promise<void> {
  const [top, base] = [chain.layers[0]!, chain.layers[depth]!];
  const device = await openImage(host, top.path, { format: formatOf(top), followsFiles: true, forceShare: true });
  try {
    const target = await openImage(host, base.path, { format: formatOf(base), followsFiles: true, readOnly: false });
    try {
      if (target.sizeBytes < top.sizeBytes) await target.resize(top.sizeBytes);
      const source = sourceOf(options.paced(device), top.sizeBytes, (from, to) => mapChain(chain, from, to));
      await copyDisk(source, deviceTarget(target, false), {
        requests: 8,
        sparseBytes: 4096,
        isUnordered: true,
        kindOf: (run) => kindAbove(run, depth),
        progress: options.progress,
      });
      await target.flush();
    } finally {
      await target.close();
    }
  } finally {
    await device.close();
  }
}

const formatOf = ({ qcow2 }: ChainLayer): ImageFormat => (qcow2 === undefined ? 'raw' : 'qcow2');

/** What images above the base say. Where one of those ends, and the base does not, what is above reads as zeros. */
function kindAbove({ data, depth, isBehindBacking, present, zero }: MapRun, base: number): 'data' | 'zero' | 'skip' {
  if (depth >= base) return 'skip';
  if (data && !zero) return 'data';
  return present || (isBehindBacking && depth + 1 < base) ? 'zero' : 'skip';
}
