import type { Turns } from './turns.ts';

/** Sorted at once, between two turns. */
const runLength = 4096;

/** The numbers in ascending order; `count` of them. The work is cut into slices: sorting tens of thousands holds a thread for long. */
export async function sorted(numbers: Iterable<number>, count: number, turns: Turns): Promise<Float64Array> {
  let from = new Float64Array(count);
  let filled = 0;
  for (const number of numbers) {
    from[filled] = number;
    filled += 1;
    if (filled % 256 === 0 && turns.isOver) await turns.next();
  }
  for (let start = 0; start < count; start += runLength) {
    from.subarray(start, start + runLength).sort();
    if (turns.isOver) await turns.next();
  }
  let into = new Float64Array(runLength < count ? count : 0);
  for (let length = runLength; length < count; length *= 2) {
    for (let start = 0; start < count; start += 2 * length) {
      await merge(from, into, start, Math.min(start + length, count), Math.min(start + 2 * length, count), turns);
    }
    [from, into] = [into, from];
  }
  return from;
}

/** Merges the runs [start, middle) and [middle, end) of `from` into the same place of `into`. */
async function merge(
  from: Float64Array,
  into: Float64Array,
  start: number,
  middle: number,
  end: number,
  turns: Turns,
): Promise<void> {
  let left = start;
  let right = middle;
  for (let at = start; at < end; at += 1) {
    const takeLeft = left < middle && (right >= end || (from[left] ?? 0) <= (from[right] ?? 0));
    into[at] = (takeLeft ? from[left++] : from[right++]) ?? 0;
    if (at % 1024 === 0 && turns.isOver) await turns.next();
  }
}

/** The index of the first of the sorted numbers that is not below `least`. */
export function indexFrom(numbers: Float64Array, least: number): number {
  let from = 0;
  let to = numbers.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (numbers[middle]! < least) from = middle + 1;
    else to = middle;
  }
  return from;
}
