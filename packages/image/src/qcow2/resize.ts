import { alignUp, AshlarError, isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { ClusterReader } from './cluster-reader.ts';
import type { ClusterWriter } from './cluster-writer.ts';
import { tableSpan, type Geometry } from './geometry.ts';
import { mostL1Bytes, type Qcow2Header } from './header.ts';
import type { L1Table } from './l1-table.ts';
import type { Refcounts } from './refcounts.ts';
import { writeHeaderFields } from './stored.ts';
import type { Tables } from './tables.ts';

export type ResizeParts = {
  readonly file: HostFile;
  readonly data: HostFile;
  readonly header: Pick<Qcow2Header, 'snapshotCount' | 'version'>;
  readonly geometry: Geometry;
  readonly l1: L1Table;
  readonly reader: ClusterReader;
  readonly writer: ClusterWriter;
  readonly tables: Tables;
  readonly refcounts: Refcounts;
  /** Makes what changed durable, in its order. */
  readonly writeBack: () => Promise<void>;
  /** Zeros a part of a cluster, where it is not zeros. */
  readonly zeroEdge: (from: number, to: number) => Promise<void>;
};

/** `metadata`: each cluster of what is added has its place; `falloc`: and its room. */
export type GrownRoom = 'off' | 'metadata' | 'falloc';

/** Throws `unsupported` where a snapshot of an old format would be taken for one of another size. */
export function refuseResize({ file, header }: Pick<ResizeParts, 'file' | 'header'>): void {
  if (header.version >= 3 || header.snapshotCount === 0) return;
  throw new AshlarError(
    'unsupported',
    `'${file.path}' has snapshots and is of compatibility 0.10, which does not say how large they are: it keeps its size`,
    { path: file.path },
  );
}

/** Makes an image larger; what is added reads as zeros. The new size is in the header when all else is durable. */
export async function growImage(parts: ResizeParts, from: number, to: number, room: GrownRoom): Promise<void> {
  const { data, file, geometry, l1, reader, writer } = parts;
  const { clusterBytes } = geometry;
  const known = (l1.entries.length / 8) * tableSpan(geometry);
  const end = alignUp(to, clusterBytes);
  if (end > known) await growL1(parts, Math.ceil(to / tableSpan(geometry)));
  if (data !== file && data.size() < to) data.truncate(to);
  // Behind the old end there may be anything: the rest of a cluster, what a backing file has, what somebody cut off.
  const first = alignUp(from, clusterBytes);
  if (first > from) await parts.zeroEdge(from, first);
  const zeroed = Math.min(end, alignUp(Math.max(known, first, reader.backingBytes), clusterBytes));
  if (zeroed > first) await writer.zero(first, zeroed - first, false);
  if (room !== 'off' && end > first) await writer.preallocate(first, end - first, room === 'falloc');
  await parts.writeBack();
  await writeHeaderFields(file, parts.header.version, { sizeBytes: to });
}

/** Makes an image smaller: what is cut off is given back first. */
export async function shrinkImage(parts: ResizeParts, from: number, to: number): Promise<void> {
  const { data, file, geometry, header, tables, writer } = parts;
  const { clusterBytes } = geometry;
  const [first, end] = [alignUp(to, clusterBytes), alignUp(from, clusterBytes)];
  if (end > first) await writer.discard(first, end - first);
  tables.drop(Math.ceil(first / tableSpan(geometry)));
  await parts.writeBack();
  await writeHeaderFields(file, header.version, { sizeBytes: to });
  if (data !== file) return data.truncate(to);
  const last = await parts.refcounts.end();
  if (last < file.size()) file.truncate(last);
}

/** The header names the longer table when everything that it has is durable. */
async function growL1(parts: ResizeParts, entries: number): Promise<void> {
  const { file, geometry, header, l1, refcounts } = parts;
  const { clusterBytes } = geometry;
  if (entries * 8 > mostL1Bytes) {
    throw new AshlarError('invalid', `'${file.path}' cannot be so large: its clusters are of ${clusterBytes} bytes`, {
      path: file.path,
    });
  }
  const bytes = alignUp(entries * 8, clusterBytes);
  const offset = await refcounts.take(bytes / clusterBytes);
  await parts.writeBack();
  const table = Buffer.alloc(bytes);
  l1.entries.copy(table);
  const written = file.write(offset, table);
  if (isPromise(written)) await written;
  await file.sync();
  await writeHeaderFields(file, header.version, { l1Entries: entries, l1Offset: offset });
  const old = { offset: l1.offset, clusters: Math.ceil(l1.entries.length / clusterBytes) };
  [l1.entries, l1.offset] = [table.subarray(0, entries * 8), offset];
  if (old.clusters > 0) refcounts.drop(old.offset, old.clusters);
}
