import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AshlarError, assert, type BlockDevice } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from './lock.ts';
import type { LogicalName } from './lvm/open-logical.ts';
import type { PartitionedDisk } from './partition/open-partition.ts';
import { openImage, probeFormat } from './qcow2/open.ts';
import { createFileDevice } from './raw/file-device.ts';

/** What of a host is a disk: a file, an image, a device, or one partition of those. */
export type HostSource = {
  readonly path: string;
  /** `raw`: its bytes are the disk's. `device`: it must be a block device. `lvm`: a logical volume on it. */
  readonly format: 'raw' | 'qcow2' | 'device' | 'lvm';
  /** Files that an image names, for its backing or its data, are opened as well. */
  readonly followsFiles: boolean;
  readonly partition: number | undefined;
  /** A device is read although somebody else may write to it meanwhile. */
  readonly isShared: boolean;
  /** Of `raw`: it was said that its bytes are the disk's, whatever they begin as. */
  readonly isSaidRaw: boolean;
  /** Of `lvm`. */
  readonly logical?: LogicalName;
};

/**
 * Opens a disk of the host. A device is opened so that nobody else has it, and not while something is mounted from it. Fails as `openImage` and
 * `openPartition`, and with `busy`.
 */
export async function openSource(host: Host, source: HostSource, readOnly: boolean): Promise<BlockDevice> {
  const { partition, ...whole } = source;
  if (partition === undefined) return (await openWhole(host, source, readOnly)).disk;
  const { openPartition } = await import('./partition/open-partition.ts');
  const path = resolve(source.path);
  return await openPartition(partition, {
    name: JSON.stringify({ ...whole, path }),
    path: source.path,
    readOnly,
    openDisk: () => openWhole(host, source, readOnly),
  });
}

/**
 * Throws `invalid` where a file that is to be offered as it is begins as a qcow2 image, and nobody said that these bytes are meant: a guest would write over what the image is
 * made of. Of what is offered already it is not asked: its guests may write there what they like.
 */
export async function checkMeant(host: Host, { format, isSaidRaw, partition, path }: HostSource): Promise<void> {
  if (format !== 'raw' || isSaidRaw || partition !== undefined) return;
  const file = host.open(path, { readOnly: true });
  try {
    if ((await probeFormat(file)) === 'raw') return;
  } finally {
    file.close();
  }
  const { href } = pathToFileURL(resolve(path));
  throw new AshlarError(
    'invalid',
    `${path} is a qcow2 image: say qcow2://${href.slice('file://'.length)} to offer the disk in it, or ${href}?format=raw to offer the bytes of the image itself`,
    { path },
  );
}

async function openWhole(host: Host, source: HostSource, readOnly: boolean): Promise<PartitionedDisk> {
  const { followsFiles, format, path } = source;
  if (format === 'qcow2') {
    return { disk: await openImage(host, path, { format, followsFiles, readOnly }), sectorBytes: undefined };
  }
  if (format === 'lvm') {
    assert(source.logical !== undefined, 'a logical volume has a name');
    // Most disks are none: its code is loaded for those that are.
    const { activePath } = await import('./lvm/active.ts');
    const { openLogical } = await import('./lvm/open-logical.ts');
    const active = await activePath(host, source.logical);
    if (active !== undefined) return await openWhole(host, { ...source, format: 'device', path: active }, readOnly);
    return { disk: await openLogical(host, source.logical, readOnly), sectorBytes: undefined };
  }
  const file = openRaw(host, source, readOnly);
  return { disk: createFileDevice(file, { readOnly }), sectorBytes: file.isDevice ? file.sectorBytes : undefined };
}

function openRaw(host: Host, { format, isShared, path }: HostSource, readOnly: boolean): HostFile {
  const isDevice = host.stat(path)?.kind === 'device';
  if (format === 'device' && !isDevice) {
    throw new AshlarError('bad-type', `${path} is no block device: a file is named by file://${path}`, { path });
  }
  // Whoever reads shares it with others that read: it is only looked whether somebody writes.
  if (isDevice && readOnly && !isShared) host.open(path, { readOnly, exclusive: true }).close();
  return openLocked(host, path, readOnly ? (isShared ? 'share' : 'read') : 'write', {
    exclusive: isDevice && !readOnly,
  });
}
