import { alignUp, AshlarError } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import type { ImageBitmap } from './qcow2/bitmap-directory.ts';
import { lockImage, openLocked } from './lock.ts';
import { compatible, incompatible, autoclear, type Qcow2Header } from './qcow2/header.ts';
import { pathFrom, probeFormat, type ImageFormat } from './qcow2/open.ts';
import type { ImageSnapshot } from './qcow2/snapshot-table.ts';
import { readBitmaps, readHeader, readSnapshots } from './qcow2/stored.ts';

/** What a qcow2 image says of itself. */
export type Qcow2Info = {
  readonly header: Qcow2Header;
  readonly snapshots: readonly ImageSnapshot[];
  readonly bitmaps: readonly ImageBitmap[];
  /** Where its backing file is looked for. */
  readonly backingPath: string | undefined;
  readonly isDirty: boolean;
  readonly isCorrupt: boolean;
  readonly isLazy: boolean;
  readonly isExtended: boolean;
  /** What it has lies in its data file as in a raw image. */
  readonly isDataRaw: boolean;
};

export type ImageInfo = {
  readonly path: string;
  readonly format: ImageFormat;
  /** Bytes: of the disk in it, and of room that the file takes. */
  readonly sizeBytes: number;
  /** Nothing: it is not known of what is no file. */
  readonly diskBytes: number | undefined;
  readonly qcow2: Qcow2Info | undefined;
};

const sectorBytes = 512;

export type ImageInfoOptions = {
  /** Without it the file is looked at. */
  readonly format?: ImageFormat | undefined;
  /** Default false. Looks at it also while others write to it. */
  readonly forceShare?: boolean | undefined;
};

/** Looks at an image, and changes nothing. Fails as `openImage`, and with `invalid` where it is not of the format. */
export async function imageInfo(host: Host, path: string, options: ImageInfoOptions = {}): Promise<ImageInfo> {
  const { format, forceShare = false } = options;
  const file = openLocked(host, path, 'share');
  try {
    const found = format ?? (await probeFormat(file));
    // What a raw image says of itself no writer changes.
    if (found !== 'raw' && !forceShare) lockImage(file, 'read');
    const diskBytes = host.stat(path)?.allocatedBytes ?? 0;
    if (found === 'raw') {
      // As QEMU: a disk has whole sectors.
      return { path, format: found, sizeBytes: alignUp(file.size(), sectorBytes), diskBytes, qcow2: undefined };
    }
    const header = await readHeader(file, path);
    const qcow2 = await qcow2InfoOf(file, header, path);
    return { path, format: found, sizeBytes: header.sizeBytes, diskBytes, qcow2 };
  } finally {
    file.close();
  }
}

async function qcow2InfoOf(file: HostFile, header: Qcow2Header, path: string): Promise<Qcow2Info> {
  const has = (bit: number): boolean => (header.incompatible & bit) !== 0;
  return {
    header,
    snapshots: await readSnapshots(file, header, path),
    bitmaps: await readBitmaps(file, header, path),
    backingPath: backingPathOf(header, path),
    isDirty: has(incompatible.dirty),
    isCorrupt: has(incompatible.corrupt),
    isLazy: (header.compatible & compatible.lazyRefcounts) !== 0,
    isExtended: has(incompatible.extendedL2),
    isDataRaw: (header.autoclear & autoclear.rawDataFile) !== 0,
  };
}

/** What names a protocol is given as it is. */
function backingPathOf({ backingFile }: Qcow2Header, path: string): string | undefined {
  if (backingFile === undefined) return undefined;
  try {
    return pathFrom(path, backingFile);
  } catch (error) {
    if (error instanceof AshlarError) return backingFile;
    throw error;
  }
}
