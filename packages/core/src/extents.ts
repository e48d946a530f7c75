/**
 * A run of bytes of one state. `data`: bytes are stored; `zero`: reads as zeros and space is kept for it; `hole`: reads
 * as zeros and takes no space.
 */
export type ExtentState = 'data' | 'zero' | 'hole';

export type Extent = {
  /** Bytes from the start of the object or device. */
  readonly offset: number;
  /** Bytes, at least 1. */
  readonly length: number;
  readonly state: ExtentState;
};

/** Joins neighbours of one state. The input must be sorted and without overlap; gaps stay gaps. */
export function mergeExtents(extents: readonly Extent[]): Extent[] {
  const merged: Extent[] = [];
  for (const extent of extents) {
    const last = merged.at(-1);
    if (last !== undefined && last.state === extent.state && last.offset + last.length === extent.offset) {
      merged[merged.length - 1] = { offset: last.offset, length: last.length + extent.length, state: last.state };
    } else merged.push(extent);
  }
  return merged;
}
