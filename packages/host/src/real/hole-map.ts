import type { Extent } from '@ashlar/core';
import { errno } from '../ffi/errno.ts';
import { seekData, seekHole } from '../ffi/lseek.ts';

/** The extents of [offset, end), at most `limit`; minus errno where the file system refused. What lies past the end of the file is hole. */
export function holeMap(descriptor: number, offset: number, end: number, limit: number): Extent[] | number {
  const extents: Extent[] = [];
  let at = offset;
  while (at < end && extents.length < limit) {
    const found = seekData(descriptor, at);
    if (found < 0 && found !== -errno.ENXIO) return found;
    const data = found < 0 ? end : Math.min(found, end);
    if (data > at) extents.push({ offset: at, length: data - at, state: 'hole' });
    at = data;
    if (at === end || extents.length === limit) break;
    const hole = seekHole(descriptor, at);
    if (hole < 0) return hole;
    const stop = Math.min(hole, end);
    extents.push({ offset: at, length: stop - at, state: 'data' });
    at = stop;
  }
  return extents;
}
