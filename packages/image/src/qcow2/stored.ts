import { AshlarError, isPromise, MiB } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { parseBitmaps, type ImageBitmap } from './bitmap-directory.ts';
import { parseHeader, type Qcow2Header } from './header.ts';
import { parseSnapshots, snapshotTableBytes, type ImageSnapshot } from './snapshot-table.ts';

const headBytes = 2 * MiB;
const mostDirectoryBytes = 64 * MiB;

/** The header of an image that is open. */
export async function readHeader(file: HostFile, path: string): Promise<Qcow2Header> {
  const head = new Uint8Array(Math.min(headBytes, file.size()));
  const count = await file.read(0, head);
  return parseHeader(head.subarray(0, count), path);
}

/** Throws `corrupt` where the table goes beyond the file. */
export async function tableAt(file: HostFile, offset: number, bytes: number, path: string): Promise<Buffer> {
  if (bytes > 0 && offset + bytes > file.size()) {
    throw new AshlarError('corrupt', `the table of '${path}' at ${offset} goes beyond its end`, { path });
  }
  const table = Buffer.alloc(bytes);
  if (bytes > 0) await file.read(offset, table);
  return table;
}

/** The snapshots of an image, in the order of its table. */
export async function readSnapshots(file: HostFile, header: Qcow2Header, path: string): Promise<ImageSnapshot[]> {
  const { snapshotCount, snapshotsOffset, sizeBytes } = header;
  if (snapshotCount === 0) return [];
  const bytes = Math.max(0, Math.min(snapshotTableBytes(snapshotCount), file.size() - snapshotsOffset));
  const table = Buffer.alloc(bytes);
  const count = await file.read(snapshotsOffset, table);
  return parseSnapshots(table.subarray(0, count), snapshotCount, sizeBytes, path);
}

/** The bitmaps of an image, in the order of its directory. */
export async function readBitmaps(
  file: HostFile,
  { bitmaps }: Qcow2Header,
  path: string,
): Promise<readonly ImageBitmap[]> {
  if (bitmaps === undefined) return [];
  const { directoryBytes, directoryOffset } = bitmaps;
  if (directoryBytes > mostDirectoryBytes || directoryOffset + directoryBytes > file.size()) {
    throw new AshlarError('corrupt', `the bitmaps of '${path}' lie beyond its end`, { path });
  }
  const directory = Buffer.alloc(directoryBytes);
  await file.read(directoryOffset, directory);
  return parseBitmaps(directory, bitmaps, path);
}

/** What of a header changes while an image is used. */
export type HeaderFields = Partial<
  Pick<
    Qcow2Header,
    | 'sizeBytes'
    | 'l1Entries'
    | 'l1Offset'
    | 'refcountTableOffset'
    | 'refcountTableClusters'
    | 'snapshotCount'
    | 'snapshotsOffset'
    | 'incompatible'
    | 'autoclear'
  >
>;

/** Where each of them stands, and how many bytes it takes. */
const places: Readonly<Record<keyof HeaderFields, readonly [at: number, bytes: 4 | 8]>> = {
  sizeBytes: [24, 8],
  l1Entries: [36, 4],
  l1Offset: [40, 8],
  refcountTableOffset: [48, 8],
  refcountTableClusters: [56, 4],
  snapshotCount: [60, 4],
  snapshotsOffset: [64, 8],
  incompatible: [72, 8],
  autoclear: [88, 8],
};
const changingBytes = { 2: 72, 3: 96 } as const;

/** Changes fields of the header by one write within its first sector, which is there whole or not at all, and makes it durable. */
export async function writeHeaderFields(file: HostFile, version: 2 | 3, fields: HeaderFields): Promise<void> {
  const head = Buffer.alloc(changingBytes[version]);
  await file.read(0, head);
  for (const [name, value] of Object.entries(fields) as [keyof HeaderFields, number][]) {
    const [at, bytes] = places[name];
    if (bytes === 4) head.writeUInt32BE(value, at);
    else head.writeBigUInt64BE(BigInt(value), at);
  }
  const written = file.write(0, head);
  if (isPromise(written)) await written;
  await file.sync();
}
