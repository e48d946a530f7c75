import { alignUp, AshlarError, MiB } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { NewImage } from './create-image.ts';
import type { CopySource } from './copy/source.ts';
import { createDefaults } from './qcow2/create.ts';
import { imageInfo } from './info.ts';

/** Bytes of a file that an image would take: with what is there now, and with all of it written. */
export type Measured = { readonly requiredBytes: number; readonly fullBytes: number };

const mostL1Bytes = 32 * MiB;
/** Of an entry of the L1 table, and of the refcount table. */
const entryBytes = 8;

/** What `qemu-img measure` tells of a new image for a disk, or for one of so many bytes. Fails with `invalid`. */
export async function measureImage(
  image: Partial<NewImage> & Pick<NewImage, 'format'>,
  source: CopySource | undefined,
  sizeBytes: number,
): Promise<Measured> {
  if (image.format === 'raw') {
    const bytes = alignUp(source?.sizeBytes ?? sizeBytes, 512);
    return { requiredBytes: bytes, fullBytes: bytes };
  }
  const {
    clusterBytes = createDefaults.clusterBytes,
    extendedL2 = false,
    refcountBits = createDefaults.refcountBits,
  } = image;
  const diskBytes = alignUp(source?.sizeBytes ?? sizeBytes, clusterBytes);
  const l2Entries = clusterBytes / (extendedL2 ? 16 : 8);
  if (Math.ceil(diskBytes / clusterBytes / l2Entries) * entryBytes > mostL1Bytes) {
    throw new AshlarError('invalid', 'the image is too large: try larger clusters');
  }
  const fullBytes = diskBytes + metadataBytes(diskBytes, { clusterBytes, l2Entries, refcountBits });
  const isWhole = image.preallocation === 'falloc' || image.preallocation === 'full';
  // How much of it the backing file has is not known.
  const isUnknown = source !== undefined && image.backingFile !== undefined;
  const dataBytes = isWhole || isUnknown ? diskBytes : await dataIn(source, clusterBytes);
  return { requiredBytes: fullBytes - diskBytes + dataBytes, fullBytes };
}

/** Whole clusters in which something is. */
async function dataIn(source: CopySource | undefined, clusterBytes: number): Promise<number> {
  if (source === undefined) return 0;
  let [bytes, done] = [0, 0];
  for await (const { data, length, start, zero } of source.runs(0, source.sizeBytes)) {
    if (!data || zero) continue;
    const from = Math.max(done, start - (start % clusterBytes));
    done = alignUp(start + length, clusterBytes);
    bytes += Math.max(0, done - from);
  }
  return bytes;
}

type Shape = { readonly clusterBytes: number; readonly l2Entries: number; readonly refcountBits: number };

/** Of an image that has all of it: header, tables, refcounts of all of that. */
function metadataBytes(diskBytes: number, { clusterBytes, l2Entries, refcountBits }: Shape): number {
  const l2Tables = Math.ceil(diskBytes / clusterBytes / l2Entries);
  const l1Bytes = alignUp(l2Tables * entryBytes, clusterBytes);
  const tableBytes = clusterBytes + l2Tables * clusterBytes + l1Bytes;
  const clusters = (tableBytes + diskBytes) / clusterBytes;
  const each = (clusterBytes * 8) / refcountBits;
  for (let [blocks, tables] = [0, 0]; ;) {
    const more = Math.ceil((clusters + tables + blocks) / each);
    const moreTables = Math.ceil((more * entryBytes) / clusterBytes);
    if (more === blocks && moreTables === tables) return tableBytes + (blocks + tables) * clusterBytes;
    [blocks, tables] = [more, moreTables];
  }
}

/**
 * Bytes that the bitmaps of an image would take in one with such clusters; nothing where either has none by its kind.
 */
export async function bitmapBytes(
  host: Host,
  path: string,
  image: Pick<Partial<NewImage>, 'clusterBytes' | 'version'> & Pick<NewImage, 'format'>,
): Promise<number | undefined> {
  if (image.format !== 'qcow2' || (image.version ?? createDefaults.version) < 3) return undefined;
  const { qcow2, sizeBytes } = await imageInfo(host, path);
  if (qcow2 === undefined || qcow2.header.version < 3) return undefined;
  const { clusterBytes = createDefaults.clusterBytes } = image;
  let [bytes, directoryBytes] = [0, 0];
  for (const { granularity, name } of qcow2.bitmaps) {
    const clusters = Math.ceil(Math.ceil(Math.ceil(sizeBytes / granularity) / 8) / clusterBytes);
    bytes += clusters * clusterBytes + alignUp(clusters * 8, clusterBytes);
    directoryBytes += alignUp(24 + Buffer.byteLength(name), 8);
  }
  return bytes + alignUp(directoryBytes, clusterBytes);
}
