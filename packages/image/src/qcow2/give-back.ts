import type { HostFile } from '@ashlar/host';

/** Below it nothing comes back, and zeros are written. */
const leastBytes = 4096;

/** The file system gets the room of clusters that nobody has: those that follow each other at once. They read as zeros from then on. */
export async function giveBack(file: HostFile, offsets: readonly number[], clusterBytes: number): Promise<void> {
  const sorted = offsets.toSorted((one, other) => one - other);
  for (let first = 0; first < sorted.length;) {
    let last = first;
    while (sorted[last + 1] === sorted[last]! + clusterBytes) last += 1;
    const bytes = (last - first + 1) * clusterBytes;
    if (bytes >= leastBytes) await file.punch(sorted[first]!, bytes);
    first = last + 1;
  }
}
