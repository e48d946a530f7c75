import { AshlarError, zeroRuns } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import { encodeHeader } from './encode-header.ts';
import { geometryOf, tableSpan } from './geometry.ts';
import { autoclear, compatible, incompatible, mostL1Bytes, type CompressionType, type Qcow2Header } from './header.ts';
import { putRefcount } from './refcount-block.ts';

export type CreateOptions = {
  readonly sizeBytes: number;
  readonly version: 2 | 3;
  readonly clusterBytes: number;
  readonly refcountBits: number;
  readonly lazyRefcounts: boolean;
  readonly extendedL2: boolean;
  readonly compression: CompressionType;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
  readonly dataFileRaw: boolean;
};

/** As qemu-img makes them where it is told nothing. */
export const createDefaults = {
  version: 3,
  clusterBytes: 65_536,
  refcountBits: 16,
  lazyRefcounts: false,
  extendedL2: false,
  compression: 'zlib',
  backingFile: undefined,
  backingFormat: undefined,
  dataFile: undefined,
  dataFileRaw: false,
} as const satisfies Omit<CreateOptions, 'sizeBytes'>;

/** Makes an image in which nothing is, in place of what is there. Fails with `invalid`, `no-space`, `denied`. */
export async function createQcow2(host: Host, path: string, options: CreateOptions, isDurable = true): Promise<void> {
  refuse(options);
  const header = headerFor(options);
  const head = encodeHeader(header);
  const { clusterBytes } = options;
  const file = openLocked(host, path, 'write', { create: true });
  try {
    file.truncate(0);
    const { blocks, refcountTableClusters, refcountTableOffset } = header;
    const table = Buffer.alloc(refcountTableClusters * clusterBytes);
    const firstBlock = refcountTableOffset + table.length;
    for (let block = 0; block < blocks.length; block += 1) {
      table.writeBigUInt64BE(BigInt(firstBlock + block * clusterBytes), block * 8);
    }
    // As QEMU: of the first cluster only what is in it takes room.
    const used = [...zeroRuns(head, 512)].findLast(({ isZero }) => !isZero)?.end ?? 0;
    const writing = [
      file.write(0, head.subarray(0, used)),
      file.writeMany(refcountTableOffset, [table, ...blocks, Buffer.alloc(header.l1Clusters * clusterBytes)]),
    ];
    await Promise.all(writing);
    if (isDurable) await file.sync();
  } finally {
    file.close();
  }
}

function refuse(options: CreateOptions): void {
  const { clusterBytes, refcountBits, sizeBytes, version } = options;
  const is2 = version === 2;
  const sentence =
    !isPower(clusterBytes) || clusterBytes < 512 || clusterBytes > 2 * 1024 * 1024
      ? 'the clusters of an image are of a power of two from 512 bytes to 2 MiB'
      : !isPower(refcountBits) || refcountBits > 64
        ? 'a refcount is of a power of two of bits, 64 at the most'
        : is2 && (refcountBits !== 16 || options.lazyRefcounts || options.extendedL2 || options.dataFile !== undefined)
          ? 'an image of compatibility 0.10 has refcounts of 16 bits, and neither lazy ones, nor subclusters, nor a file of data'
          : is2 && options.compression !== 'zlib'
            ? 'an image of compatibility 0.10 is compressed with zlib'
            : options.extendedL2 && clusterBytes < 16_384
              ? 'clusters with subclusters are of 16 KiB at least'
              : options.dataFileRaw && (options.dataFile === undefined || options.backingFile !== undefined)
                ? 'a raw file of data needs a name, and an image without a backing file'
                : sizeBytes % 512 !== 0
                  ? `an image of ${sizeBytes} bytes has no whole sectors`
                  : undefined;
  if (sentence !== undefined) throw new AshlarError('invalid', sentence);
}

const isPower = (value: number): boolean => Number.isInteger(Math.log2(value)) && value >= 1;

type NewImage = Qcow2Header & { readonly l1Clusters: number; readonly blocks: readonly Buffer[] };

/** The header of an image that has, behind it, its refcount table, the blocks of that, and its L1 table. */
function headerFor(options: CreateOptions): NewImage {
  const { backingFile, backingFormat, clusterBytes, compression, dataFile, refcountBits, sizeBytes, version } = options;
  const bits = {
    incompatible:
      (dataFile === undefined ? 0 : incompatible.dataFile) |
      (compression === 'zlib' ? 0 : incompatible.compressionType) |
      (options.extendedL2 ? incompatible.extendedL2 : 0),
    compatible: options.lazyRefcounts ? compatible.lazyRefcounts : 0,
    autoclear: options.dataFileRaw ? autoclear.rawDataFile : 0,
  };
  const clusterBits = Math.log2(clusterBytes);
  const span = tableSpan(geometryOf({ clusterBits, incompatible: bits.incompatible }));
  const l1Entries = Math.max(1, Math.ceil(sizeBytes / span));
  if (l1Entries * 8 > mostL1Bytes) {
    throw new AshlarError('invalid', `an image of ${sizeBytes} bytes needs clusters larger than ${clusterBytes} bytes`);
  }
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterBytes);
  const each = (clusterBytes * 8) / refcountBits;
  let [blockCount, tableClusters] = [1, 1];
  for (;;) {
    const clusters = 1 + tableClusters + blockCount + l1Clusters;
    const needed = Math.ceil(clusters / each);
    const table = Math.ceil((needed * 8) / clusterBytes);
    if (needed <= blockCount && table <= tableClusters) break;
    [blockCount, tableClusters] = [Math.max(blockCount, needed), Math.max(tableClusters, table)];
  }
  const used = 1 + tableClusters + blockCount + l1Clusters;
  const blocks = Array.from({ length: blockCount }, (_, block) => {
    const bytes = Buffer.alloc(clusterBytes);
    for (let at = 0; at < each && block * each + at < used; at += 1) putRefcount(bytes, at, refcountBits, 1);
    return bytes;
  });
  return {
    version,
    clusterBits,
    sizeBytes,
    l1Entries,
    l1Offset: (1 + tableClusters + blockCount) * clusterBytes,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: tableClusters,
    snapshotCount: 0,
    snapshotsOffset: 0,
    ...bits,
    refcountOrder: Math.log2(refcountBits),
    compression,
    backingFile,
    backingFormat,
    dataFile,
    bitmaps: undefined,
    others: [],
    l1Clusters,
    blocks,
  };
}
