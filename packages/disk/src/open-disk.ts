import { emulate } from '@ashlar/block';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { openImage, openSource } from '@ashlar/image';
import { parseFileUri } from '@ashlar/image/uri';
import { fileOf, schemeOf } from './names.ts';
import type { OpenDisk, OpenDiskOptions } from './options.ts';

/** Loaded when it is needed: a client of a network is much code for whoever copies files. */
const openNbdDisk: OpenDisk = async (uri, options) => (await import('./nbd.ts')).openNbdDisk(uri, options);

const openers: Readonly<Record<string, OpenDisk>> = {
  'nbd:': openNbdDisk,
  'nbds:': openNbdDisk,
  'nbd+unix:': openNbdDisk,
  'nbds+unix:': openNbdDisk,
};

/**
 * One block device for whatever a name means: a path, `file:///path`, `qcow2:///path`, `dev:///dev/x`, `lvm:///path?vg=VG&lv=LV`, a partition of those, `nbd://host/export`, `nbds://`, `nbd+unix:///export?socket=PATH`.
 * It takes blocks of any size. Files that an image names are opened as well: the name is its user's own. Fails with `invalid` where nothing is
 * known of the scheme, and as whatever opens it.
 */
export async function openDisk(name: string, options: OpenDiskOptions): Promise<BlockDevice> {
  const { forceShare, format, host, others = {}, readOnly = true, snapshot } = options;
  const scheme = schemeOf(name);
  const opener = scheme === undefined ? undefined : (others[scheme] ?? openers[scheme]);
  if (opener !== undefined) {
    if (snapshot !== undefined) throw new AshlarError('unsupported', `'${name}' is no image that has snapshots inside`);
    if (format === 'qcow2')
      throw new AshlarError('unsupported', `'${name}' is a disk, and no image of the format qcow2`);
    return emulate(await opener(name, options), { minimumBlockBytes: 1 });
  }
  const source = scheme === undefined ? undefined : parseFileUri(name);
  const isLogical = source?.format === 'lvm';
  if (source !== undefined && (isLogical || source.format === 'device' || source.partition !== undefined)) {
    if (snapshot !== undefined) throw new AshlarError('unsupported', `'${name}' is no image that has snapshots inside`);
    const disk = await openSource(
      host,
      { ...source, format: isLogical ? 'lvm' : (format ?? source.format), followsFiles: true },
      readOnly,
    );
    return emulate(disk, { minimumBlockBytes: 1 });
  }
  const file = fileOf(name, format);
  if (file !== undefined) {
    const { path } = file;
    return await openImage(host, path, { format: file.format, followsFiles: true, forceShare, readOnly, snapshot });
  }
  const known = ['file:', 'qcow2:', 'dev:', 'lvm:', ...Object.keys(openers), ...Object.keys(others)];
  throw new AshlarError('invalid', `'${name}' is of no kind that is known: write a path, or ${known.join(', ')}`);
}
