import { AshlarError } from '@ashlar/core';

/**
 * The header of a qcow2 image (QEMU, docs/interop/qcow2.txt, "Header"), big endian:
 *
 *   0 magic u32 · 4 version u32 · 8 backing file name's offset u64 · 16 its length u32 · 20 cluster bits u32 · 24 size u64
 *   32 encryption u32 · 36 entries of the L1 table u32 · 40 its offset u64 · 48 refcount table's offset u64
 *   56 its clusters u32 · 60 snapshots u32 · 64 snapshot table's offset u64
 *
 * from version 3 on: 72 incompatible, 80 compatible, 88 autoclear features u64 · 96 refcount order u32 · 100 header length u32
 * 104 compression type u8, 7 reserved; then extensions: type u32, length u32, bytes padded to 8.
 */
export const magic = 0x514649fb;
/** Of versions 2 and 3, and of what is written now: with the compression type. */
export const headerBytes = { v2: 72, v3: 104, now: 112 } as const;

/** Bounds that QEMU has as well, so that nothing is allocated for what a header merely says. */
export const mostL1Bytes = 32 * 1024 * 1024;
const mostRefcountTableBytes = 8 * 1024 * 1024;
export const mostSnapshots = 65_536;
export const mostNameBytes = 1023;

export const incompatible = { dirty: 1, corrupt: 2, dataFile: 4, compressionType: 8, extendedL2: 16 } as const;
export const compatible = { lazyRefcounts: 1 } as const;
export const autoclear = { bitmaps: 1, rawDataFile: 2 } as const;

const knownIncompatible = 31;

export const extensionTypes = {
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  dataFile: 0x44415441,
} as const;

/** Where the directory of bitmaps is. */
export type BitmapsExtension = {
  readonly count: number;
  readonly directoryBytes: number;
  readonly directoryOffset: number;
};

/** What somebody else's extension says: it is written back as it was. */
export type OtherExtension = { readonly type: number; readonly bytes: Uint8Array };

export type CompressionType = 'zlib' | 'zstd';

export type Qcow2Header = {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly sizeBytes: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  readonly incompatible: number;
  readonly compatible: number;
  readonly autoclear: number;
  /** A refcount has 2^refcountOrder bits. */
  readonly refcountOrder: number;
  readonly compression: CompressionType;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
  readonly bitmaps: BitmapsExtension | undefined;
  readonly others: readonly OtherExtension[];
};

/** Whether the bytes begin as a qcow2 image does. */
export function isQcow2(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && viewOf(bytes).getUint32(0) === magic;
}

/**
 * Parses the first cluster of an image, or as much of it as there is. `path` is for the sentences. Throws `invalid` where it is no qcow2, `unsupported`
 * for features and encryption that are not known, `corrupt` where it contradicts itself.
 */
export function parseHeader(bytes: Uint8Array, path: string): Qcow2Header {
  if (bytes.length < headerBytes.v2 || !isQcow2(bytes)) {
    throw new AshlarError('invalid', `'${path}' is not a qcow2 image`, { path });
  }
  const view = viewOf(bytes);
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) {
    throw new AshlarError('unsupported', `'${path}' is a qcow image of version ${version}: 2 and 3 are known`, {
      path,
    });
  }
  if (version === 3 && bytes.length < headerBytes.v3) throw broken(path, 'its header is cut off');
  const ownBytes = version === 2 ? headerBytes.v2 : view.getUint32(100);
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw broken(path, `its clusters are of 2^${clusterBits} bytes`);
  const clusterBytes = 2 ** clusterBits;
  if (version === 3 && (ownBytes < headerBytes.v3 || ownBytes > clusterBytes || ownBytes % 8 !== 0)) {
    throw broken(path, `its header is of ${ownBytes} bytes`);
  }
  if (view.getUint32(32) !== 0) {
    throw new AshlarError('unsupported', `'${path}' is encrypted: Ashlar reads no encrypted images`, { path });
  }
  const features = featuresOf(view, version, ownBytes, path);
  const fields = {
    version,
    clusterBits,
    sizeBytes: offsetAt(view, 24, path, 'size'),
    l1Entries: view.getUint32(36),
    l1Offset: offsetAt(view, 40, path, 'L1 table'),
    refcountTableOffset: offsetAt(view, 48, path, 'refcount table'),
    refcountTableClusters: view.getUint32(56),
    snapshotCount: view.getUint32(60),
    snapshotsOffset: offsetAt(view, 64, path, 'snapshot table'),
    ...features,
  } as const;
  checkFields(fields, path);
  const backingFile = backingFileOf(bytes, view, path, clusterBytes);
  const end = backingFile === undefined ? clusterBytes : Number(view.getBigUint64(8));
  const extensions = extensionsOf(bytes.subarray(0, Math.min(bytes.length, end)), ownBytes, path);
  const hasDataFile = (features.incompatible & incompatible.dataFile) !== 0;
  if (!hasDataFile && (features.autoclear & autoclear.rawDataFile) !== 0)
    throw broken(path, 'its data file is raw and it has none');
  return {
    ...fields,
    backingFile,
    ...extensions,
    bitmaps: (features.autoclear & autoclear.bitmaps) === 0 ? undefined : extensions.bitmaps,
  };
}

type Features = Pick<Qcow2Header, 'incompatible' | 'compatible' | 'autoclear' | 'refcountOrder' | 'compression'>;

function featuresOf(view: DataView, version: 2 | 3, ownBytes: number, path: string): Features {
  if (version === 2) return { incompatible: 0, compatible: 0, autoclear: 0, refcountOrder: 4, compression: 'zlib' };
  const bits = [72, 80, 88].map((at) => view.getBigUint64(at)) as [bigint, bigint, bigint];
  const unknown = bits[0] & ~BigInt(knownIncompatible);
  if (unknown !== 0n) {
    throw new AshlarError('unsupported', `'${path}' needs features that are not known: bits ${unknown.toString(2)}`, {
      path,
    });
  }
  const refcountOrder = view.getUint32(96);
  if (refcountOrder > 6) throw broken(path, `its refcounts are of 2^${refcountOrder} bits`);
  const type = ownBytes > headerBytes.v3 ? view.getUint8(104) : 0;
  const isNamed = (Number(bits[0]) & incompatible.compressionType) !== 0;
  if (isNamed !== (type !== 0)) throw broken(path, `its compression is of type ${type} and the features say otherwise`);
  if (type > 1)
    throw new AshlarError('unsupported', `'${path}' is compressed by a method that is not known: ${type}`, { path });
  return {
    incompatible: Number(bits[0]),
    // Others' bits are cleared or ignored: only what is known is kept.
    compatible: Number(bits[1] & 0xffff_ffffn),
    autoclear: Number(bits[2] & 3n),
    refcountOrder,
    compression: type === 1 ? 'zstd' : 'zlib',
  };
}

type Fields = Omit<Qcow2Header, 'backingFile' | 'backingFormat' | 'dataFile' | 'bitmaps' | 'others'>;

function checkFields(header: Fields, path: string): void {
  const clusterBytes = 2 ** header.clusterBits;
  const { l1Entries, l1Offset, refcountTableOffset, refcountTableClusters, snapshotCount, snapshotsOffset } = header;
  if (l1Entries * 8 > mostL1Bytes) throw broken(path, `its L1 table has ${l1Entries} entries`);
  if (refcountTableClusters === 0) throw broken(path, 'it has no refcount table');
  if (refcountTableClusters * clusterBytes > mostRefcountTableBytes) {
    throw broken(path, `its refcount table has ${refcountTableClusters} clusters`);
  }
  for (const [name, offset] of [
    ['L1 table', l1Offset],
    ['refcount table', refcountTableOffset],
    ['snapshot table', snapshotsOffset],
  ] as const) {
    if (offset % clusterBytes !== 0) throw broken(path, `its ${name} at ${offset} begins no cluster`);
  }
  if (snapshotCount > mostSnapshots) throw broken(path, `it has ${snapshotCount} snapshots`);
  const isExtended = (header.incompatible & incompatible.extendedL2) !== 0;
  if (isExtended && header.clusterBits < 14) throw broken(path, 'its clusters are too small for subclusters');
  const l2Bits = header.clusterBits - (isExtended ? 4 : 3);
  const needed = Math.ceil(header.sizeBytes / 2 ** (header.clusterBits + l2Bits));
  if (l1Entries < needed) throw broken(path, `its L1 table has ${l1Entries} entries, and its size needs ${needed}`);
}

function backingFileOf(bytes: Uint8Array, view: DataView, path: string, clusterBytes: number): string | undefined {
  const offset = Number(view.getBigUint64(8));
  const length = view.getUint32(16);
  if (offset === 0) return undefined;
  if (length > mostNameBytes || offset + length > clusterBytes || offset + length > bytes.length) {
    throw broken(path, `the name of its backing file is at ${offset} and of ${length} bytes`);
  }
  return length === 0 ? undefined : Buffer.from(bytes.subarray(offset, offset + length)).toString('utf8');
}

type Extensions = Pick<Qcow2Header, 'backingFormat' | 'dataFile' | 'bitmaps' | 'others'>;

function extensionsOf(bytes: Uint8Array, from: number, path: string): Extensions {
  const view = viewOf(bytes);
  let backingFormat: string | undefined;
  let dataFile: string | undefined;
  let bitmaps: BitmapsExtension | undefined;
  const others: OtherExtension[] = [];
  for (let at = from; at + 8 <= bytes.length;) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === 0) break;
    if (at + 8 + length > bytes.length) throw broken(path, `an extension of its header is of ${length} bytes`);
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (type === extensionTypes.backingFormat) backingFormat = Buffer.from(content).toString('utf8');
    else if (type === extensionTypes.dataFile) dataFile = Buffer.from(content).toString('utf8');
    else if (type === extensionTypes.bitmaps) bitmaps = bitmapsOf(content, path);
    else if (type !== extensionTypes.featureNames) others.push({ type, bytes: Uint8Array.from(content) });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, dataFile, bitmaps, others };
}

function bitmapsOf(content: Uint8Array, path: string): BitmapsExtension {
  if (content.length !== 24) throw broken(path, `what it says of its bitmaps is of ${content.length} bytes`);
  const view = viewOf(content);
  return {
    count: view.getUint32(0),
    directoryBytes: offsetAt(view, 8, path, 'bitmap directory'),
    directoryOffset: offsetAt(view, 16, path, 'bitmap directory'),
  };
}

/** A number that is exact, and that no file reaches beyond. */
function offsetAt(view: DataView, at: number, path: string, what: string): number {
  const value = view.getBigUint64(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken(path, `its ${what} is at, or of, ${value} bytes`);
  return Number(value);
}

function broken(path: string, what: string): AshlarError {
  return new AshlarError('corrupt', `'${path}' is a damaged qcow2 image: ${what}`, { path });
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
