import { isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { Qcow2Header } from '../header.ts';
import { putRefcount } from '../refcount-block.ts';
import type { ReferenceCounts } from './reference-counts.ts';

/** Clusters of blocks of refcounts by the number of the block, and of the table. */
type Places = { readonly blocks: ReadonlyMap<number, number>; readonly table: number; readonly tableClusters: number };

/**
 * Writes refcounts anew, where nobody has anything: what is there stays until the header names them. They count themselves. Durable when it settles;
 * gives what the header then says.
 */
export async function writeRefcounts(
  file: HostFile,
  counts: ReferenceCounts,
): Promise<Pick<Qcow2Header, 'refcountTableOffset' | 'refcountTableClusters'>> {
  const { bits, clusterBytes } = counts;
  const each = (clusterBytes * 8) / bits;
  const { blocks, table, tableClusters } = placesFor(counts, each);
  const names = Buffer.alloc(tableClusters * clusterBytes);
  for (const [index, place] of blocks) {
    const block = Buffer.alloc(clusterBytes);
    for (let at = 0; at < each; at += 1) {
      const count = counts.at(index * each + at);
      if (count > 0) putRefcount(block, at, bits, count);
    }
    names.writeBigUInt64BE(BigInt(place), index * 8);
    const written = file.write(place, block);
    if (isPromise(written)) await written;
  }
  const written = file.write(table, names);
  if (isPromise(written)) await written;
  await file.sync();
  return { refcountTableOffset: table, refcountTableClusters: tableClusters };
}

/** Takes places until those that count them have places too. */
function placesFor(counts: ReferenceCounts, each: number): Places {
  const blocks = new Map<number, number>();
  let [table, tableClusters] = [0, 0];
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    for (let index = 0; index * each < counts.clusters; index += 1) {
      if (blocks.has(index) || !counts.hasAny(index * each, each)) continue;
      blocks.set(index, counts.take(1));
      isSettled = false;
    }
    const needed = Math.ceil((Math.ceil(counts.clusters / each) * 8) / counts.clusterBytes);
    if (needed <= tableClusters) continue;
    for (let at = 0; at < tableClusters; at += 1) counts.set(table / counts.clusterBytes + at, 0);
    [table, tableClusters] = [counts.take(needed), needed];
    isSettled = false;
  }
  return { blocks, table, tableClusters };
}
