import type { HostFile } from '@ashlar/host';
import type { Qcow2Header } from './header.ts';
import { refcountAt } from './refcount-block.ts';

/**
 * Whether many more clusters of an image are in use than its file has room for: they were given places before anything was written to them. `qemu-img map`
 * looks for holes of the file only then, by this very measure.
 */
export async function hasPreallocatedMetadata(
  file: HostFile,
  header: Qcow2Header,
  allocatedBytes: number,
): Promise<boolean> {
  const clusterBytes = 2 ** header.clusterBits;
  const fileClusters = Math.ceil(file.size() / clusterBytes);
  const roomClusters = Math.floor(allocatedBytes / clusterBytes);
  const threshold = Math.max(Math.floor((roomClusters * 10) / 9), roomClusters + 2);
  if (threshold > fileClusters) return false;
  let used = 0;
  for await (const count of refcountsOf(file, header, fileClusters)) {
    if (count > 0) used += 1;
    if (used >= threshold) return true;
  }
  return false;
}

/** Of each cluster of the file, in their order; what no block counts is not told. */
async function* refcountsOf(file: HostFile, header: Qcow2Header, clusters: number): AsyncGenerator<number> {
  const { clusterBits, refcountOrder, refcountTableClusters, refcountTableOffset } = header;
  const clusterBytes = 2 ** clusterBits;
  const bits = 2 ** refcountOrder;
  const each = (clusterBytes * 8) / bits;
  const table = Buffer.alloc(refcountTableClusters * clusterBytes);
  await file.read(refcountTableOffset, table);
  const block = Buffer.alloc(clusterBytes);
  for (let index = 0; index * each < clusters && index * 8 < table.length; index += 1) {
    const offset = Number(table.readBigUInt64BE(index * 8));
    if (offset === 0 || offset > file.size()) continue;
    block.fill(0);
    await file.read(offset, block);
    for (let at = 0; at < each && index * each + at < clusters; at += 1) yield refcountAt(block, at, bits);
  }
}
