import { KiB, type RecordChange } from '@ashlar/core';

/** Of changes in one commit, by what they take: what snapshots have of them may take as much again, and a store takes less than 64 KiB at once. */
export const mostBatchBytes = 8 * KiB;

/** Puts what is changed together into as few lots as there must be; one that is larger than a lot has its own. */
export function lotsOf<T>(groups: readonly T[], bytesOf: (group: T) => number): T[][] {
  const lots: T[][] = [];
  let left = 0;
  for (const group of groups) {
    const bytes = bytesOf(group);
    if (lots.length === 0 || bytes > left) {
      lots.push([]);
      left = mostBatchBytes;
    }
    lots.at(-1)!.push(group);
    left -= bytes;
  }
  return lots;
}

const changeBytes = 8;

/** What changes take in a commit. */
export const bytesOfChanges = (changes: readonly RecordChange[]): number =>
  changes.reduce((sum, { key, value }) => sum + changeBytes + key.length + (value?.length ?? 0), 0);
