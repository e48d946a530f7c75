import { isPromise, type Preallocation } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { writeZeros, type Progress } from '../zeros.ts';

/** Takes room for a part of a raw image in which nothing is, and makes it durable. */
export async function reserveRaw(
  file: HostFile,
  from: number,
  to: number,
  preallocation: Preallocation,
  progress?: Progress,
): Promise<void> {
  if (preallocation === 'off') return;
  const allocating = file.allocate(from, to - from);
  if (isPromise(allocating)) await allocating;
  if (preallocation === 'full') {
    await writeZeros((at, zeros) => file.writeOffThread(from + at, zeros), to - from, progress);
  }
  await file.sync();
}
