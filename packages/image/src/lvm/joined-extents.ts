import type { BlockReads } from '@ashlar/block';
import { mergeExtents, type Extent } from '@ashlar/core';

/** A run of bytes at `offset` of what is asked, which lies at `at` of a device, or is a hole where there is none. */
type LaidRun = {
  readonly offset: number;
  readonly length: number;
  readonly device?: Pick<BlockReads, 'extents'>;
  readonly at?: number;
};

/** The extents of runs that follow each other, merged, at most `limit`. Where a device says less than it was asked for, what is known ends. */
export async function joinedExtents(runs: Iterable<LaidRun>, limit: number): Promise<readonly Extent[]> {
  let found: Extent[] = [];
  for (const { at = 0, device, length, offset } of runs) {
    const below = device === undefined ? undefined : await device.extents(at, length, limit);
    const shifted = below?.map((each) => ({ ...each, offset: each.offset - at + offset }));
    found = mergeExtents([...found, ...(shifted ?? [{ offset, length, state: 'hole' as const }])]);
    const last = found.at(-1)!;
    if (found.length > limit) return found.slice(0, limit);
    if (last.offset + last.length < offset + length) return found;
  }
  return found;
}
