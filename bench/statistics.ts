/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The median of ratios of what was measured side by side: the first of one to the first of the other, and so on. */
export const medianRatio = (ours: readonly number[], theirs: readonly number[]): number =>
  median(ours.slice(0, theirs.length).map((value, index) => value / theirs[index]!));
