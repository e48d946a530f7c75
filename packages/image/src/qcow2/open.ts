import { isAbsolute } from 'node:path';
import { emulate, readOnlyDevice, type BlockReads } from '@ashlar/block';
import { AshlarError, MiB, type BlockDevice } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import { createFileDevice } from '../raw/file-device.ts';
import { BitmapWriter } from './bitmaps/bitmap-writer.ts';
import { ImageBitmaps } from './bitmaps/image-bitmaps.ts';
import { mendedHeader } from './check/mended-header.ts';
import { ClusterCache } from './cluster-cache.ts';
import { ClusterMap } from './cluster-map.ts';
import { ClusterReader } from './cluster-reader.ts';
import { ClusterWriter } from './cluster-writer.ts';
import { Entries } from './entry.ts';
import { geometryOf, type Geometry } from './geometry.ts';
import { incompatible, isQcow2, type Qcow2Header } from './header.ts';
import type { L1Table } from './l1-table.ts';
import { ReadDevice } from './read-device.ts';
import { Refcounts } from './refcounts.ts';
import { findSnapshot } from './snapshots/snapshots.ts';
import { readHeader, readSnapshots, tableAt, writeHeaderFields } from './stored.ts';
import { Tables } from './tables.ts';
import { WriteDevice } from './write-device.ts';

/** Images behind each other: more is taken for a chain that names itself. */
const mostDepth = 256;
const refcountCacheBytes = 4 * MiB;

export type ImageFormat = 'raw' | 'qcow2';

export type OpenImageOptions = {
  /** Without it the file is looked at. */
  readonly format?: ImageFormat | undefined;
  /** Files that an image names, for its backing or its data, are opened; else such an image is `denied`. */
  readonly followsFiles: boolean;
  /** Default true. Images that it is backed by are only read. */
  readonly readOnly?: boolean | undefined;
  /** One of its snapshots, by id or name. */
  readonly snapshot?: string | undefined;
  /** Default false. Others may write to the images meanwhile: what is read may be of no one moment. */
  readonly forceShare?: boolean | undefined;
  /** Of tables in memory, for each image of a chain. */
  readonly tableCacheBytes?: number | undefined;
};

/** What the file is: qcow2 where it begins so, else raw. */
export async function probeFormat(file: HostFile): Promise<ImageFormat> {
  const head = new Uint8Array(8);
  const count = await file.read(0, head);
  return isQcow2(head.subarray(0, count)) ? 'qcow2' : 'raw';
}

/**
 * Opens an image, and what it is backed by, with locks that QEMU has as well. Fails with `not-found`, `denied`, `invalid`, `unsupported`, `corrupt`, and
 * `busy` where another program uses it in a way that does not go together.
 */
export async function openImage(host: Host, path: string, options: OpenImageOptions): Promise<BlockDevice> {
  if (options.readOnly ?? true) return readOnlyDevice(await openToRead(host, path, options, []));
  const file = openLocked(host, path, 'write');
  try {
    const format = options.format ?? (await probeFormat(file));
    if (format === 'raw') return createFileDevice(file, { readOnly: false });
    return emulate(await writeDeviceOver(host, file, path, options), { minimumBlockBytes: 1 });
  } catch (error) {
    file.close();
    throw error;
  }
}

async function openToRead(
  host: Host,
  path: string,
  options: OpenImageOptions,
  chain: readonly string[],
): Promise<BlockReads> {
  if (chain.includes(path) || chain.length >= mostDepth) {
    throw new AshlarError('invalid', `the images of a chain lead back to '${path}'`, { path });
  }
  // As QEMU: what is behind an image may be written where it has no structures.
  const isShared = options.forceShare === true || (options.format === 'raw' && chain.length > 0);
  const file = openLocked(host, path, isShared ? 'share' : 'read');
  try {
    const format = options.format ?? (await probeFormat(file));
    if (format === 'raw') return createFileDevice(file, { readOnly: true });
    const header = await readHeader(file, path);
    const { reader, sizeBytes, geometry, closed } = await openQcow2(host, file, header, options, [...chain, path]);
    // A snapshot has none, and damaged ones keep nobody from reading.
    const bitmaps =
      options.snapshot === undefined ? await ImageBitmaps.of(file, header).catch(() => undefined) : undefined;
    return new ReadDevice(reader, sizeBytes, geometry.subclusterBytes, closed, bitmaps);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A qcow2 image that is written, by itself. Fails as `openImage`. */
export async function openWriteDevice(host: Host, path: string): Promise<WriteDevice> {
  const file = openLocked(host, path, 'write');
  try {
    return await writeDeviceOver(host, file, path, { followsFiles: true, readOnly: false });
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A qcow2 image by itself, whose files are open. */
export type Qcow2Layer = {
  readonly file: HostFile;
  readonly data: HostFile;
  readonly geometry: Geometry;
  readonly map: ClusterMap;
  /** Of L2 tables. */
  readonly cache: ClusterCache;
  readonly l1: L1Table;
  readonly sizeBytes: number;
};

/** The same with what it is backed by. */
type OpenQcow2 = Qcow2Layer & { readonly reader: ClusterReader; readonly closed: () => Promise<void> };

/** `file` is left open where it fails. */
async function openQcow2(
  host: Host,
  file: HostFile,
  header: Qcow2Header,
  options: OpenImageOptions,
  chain: readonly string[],
): Promise<OpenQcow2> {
  const { path } = file;
  const layer = await openLayer(host, file, header, options);
  const { data, geometry, map } = layer;
  let backing: BlockReads | undefined;
  try {
    backing = await backingOf(host, header, path, options, chain);
  } catch (error) {
    if (data !== file) data.close();
    throw error;
  }
  const { clusterBytes } = geometry;
  const reader = new ClusterReader({ path, clusterBytes, map, data, file, compression: header.compression, backing });
  const closed = async (): Promise<void> => {
    await backing?.close();
    file.close();
    if (data !== file) data.close();
  };
  return { ...layer, reader, closed };
}

/** An image, or one of its snapshots, by itself. `file` is left open where it fails. */
export async function openLayer(
  host: Host,
  file: HostFile,
  header: Qcow2Header,
  options: OpenImageOptions,
): Promise<Qcow2Layer> {
  const { path } = file;
  const geometry = geometryOf(header);
  const { l1, sizeBytes } = await stateOf(file, header, path, options.snapshot);
  const cache = new ClusterCache(file, geometry.clusterBytes, options.tableCacheBytes ?? 32 * MiB);
  const data = dataFileOf(host, file, header, path, options);
  const map = new ClusterMap({ path, geometry, version: header.version, hasDataFile: data !== file, cache, l1 });
  return { file, data, geometry, map, cache, l1, sizeBytes };
}

/** `file` is left open where it fails. */
async function writeDeviceOver(
  host: Host,
  file: HostFile,
  path: string,
  options: OpenImageOptions,
): Promise<WriteDevice> {
  const header = await mendedHeader(file, path);
  const image = await openQcow2(host, file, header, options, [path]);
  try {
    return await writeDeviceOf(image, header);
  } catch (error) {
    // What it names is open, and locked.
    await image.closed();
    throw error;
  }
}

async function writeDeviceOf(image: OpenQcow2, header: Qcow2Header): Promise<WriteDevice> {
  const { data, file, geometry, reader } = image;
  const { refcounts, tables } = await openTables(image, header);
  const hasDataFile = data !== file;
  const hasZeros = header.version >= 3;
  const writer = new ClusterWriter({ geometry, data, hasDataFile, hasZeros, tables, refcounts, reader });
  const bitmaps = await ImageBitmaps.of(file, header);
  const marks = bitmaps === undefined ? undefined : await BitmapWriter.begin(file, header, bitmaps);
  return new WriteDevice({ ...image, header, writer, tables, refcounts, bitmaps, marks });
}

/** The tables of an image that is written. Throws `corrupt`. */
export async function openTables(
  { file, data, geometry, cache, l1 }: Qcow2Layer,
  header: Qcow2Header,
): Promise<{ readonly tables: Tables; readonly refcounts: Refcounts }> {
  const { path } = file;
  const { clusterBytes } = geometry;
  const { refcountOrder, refcountTableClusters, refcountTableOffset: tableOffset, version } = header;
  const table = await tableAt(file, tableOffset, refcountTableClusters * clusterBytes, path);
  const refcounts = new Refcounts({
    path,
    file,
    clusterBytes,
    bits: 2 ** refcountOrder,
    cache: new ClusterCache(file, clusterBytes, refcountCacheBytes),
    table,
    tableOffset,
    fileBytes: file.size(),
    moved: (offset, clusters) =>
      writeHeaderFields(file, version, { refcountTableOffset: offset, refcountTableClusters: clusters }),
  });
  const entries = new Entries(geometry, version, data !== file);
  const tables = new Tables({ path, file, geometry, entries, cache, refcounts, l1 });
  return { tables, refcounts };
}

type State = { readonly l1: L1Table; readonly sizeBytes: number };

async function stateOf(file: HostFile, header: Qcow2Header, path: string, name: string | undefined): Promise<State> {
  const { l1Entries, l1Offset, sizeBytes } = header;
  const l1At = async (offset: number, entries: number): Promise<L1Table> => ({
    entries: await tableAt(file, offset, entries * 8, path),
    offset,
  });
  if (name === undefined) return { l1: await l1At(l1Offset, l1Entries), sizeBytes };
  const found = findSnapshot(path, await readSnapshots(file, header, path), name);
  if (found.l1Offset % 2 ** header.clusterBits !== 0) {
    throw new AshlarError('corrupt', `the L1 table of the snapshot '${name}' of '${path}' begins no cluster`, { path });
  }
  return { l1: await l1At(found.l1Offset, found.l1Entries), sizeBytes: found.sizeBytes };
}

function dataFileOf(
  host: Host,
  file: HostFile,
  header: Qcow2Header,
  path: string,
  { followsFiles, forceShare = false, readOnly = true }: OpenImageOptions,
): HostFile {
  if ((header.incompatible & incompatible.dataFile) === 0) return file;
  const { dataFile } = header;
  if (dataFile === undefined)
    throw new AshlarError('invalid', `'${path}' has its data in another file and does not name it`, { path });
  if (!followsFiles) throw refused(path, 'has its data in', dataFile);
  return openLocked(host, pathFrom(path, dataFile), readOnly ? (forceShare ? 'share' : 'read') : 'write');
}

async function backingOf(
  host: Host,
  { backingFile, backingFormat }: Qcow2Header,
  path: string,
  options: OpenImageOptions,
  chain: readonly string[],
): Promise<BlockReads | undefined> {
  if (backingFile === undefined) return undefined;
  if (!options.followsFiles) throw refused(path, 'is backed by', backingFile);
  const format = formatNamed(backingFormat, path);
  const behind = { ...options, format, readOnly: true, snapshot: undefined };
  return await openToRead(host, pathFrom(path, backingFile), behind, chain);
}

/** Throws `unsupported` for what is not known. */
export function formatNamed(name: string | undefined, path: string): ImageFormat | undefined {
  if (name === undefined || name === 'raw' || name === 'qcow2') return name;
  throw new AshlarError(
    'unsupported',
    `'${path}' is backed by an image of the format '${name}': raw and qcow2 are known`,
    { path },
  );
}

function refused(path: string, how: string, other: string): AshlarError {
  return new AshlarError('denied', `'${path}' ${how} '${other}', and files that an image names are not opened here`, {
    path,
  });
}

/** A file that an image names: relative ones from where that lies. Throws `unsupported` for what is no file. */
export function pathFrom(image: string, name: string): string {
  const plain = name.startsWith('file:') ? name.slice('file:'.length) : name;
  // As QEMU: what has a colon before any slash names a protocol.
  if (/^[^/]*:/.test(plain)) {
    throw new AshlarError('unsupported', `'${image}' names '${name}', which is no file`, { path: image });
  }
  // As QEMU writes it: without a dot that was not there, and with those that were.
  return isAbsolute(plain) ? plain : image.slice(0, image.lastIndexOf('/') + 1) + plain;
}
