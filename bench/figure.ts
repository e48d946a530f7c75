/** One line of the table that Ashlar must reach. */
export type Figure = {
  readonly name: string;
  readonly value: number;
  /** `x` for a ratio to a peer; of it and of a rate more is better, of the others less. */
  readonly unit: 'x' | 'a minute' | 's' | 'MiB' | 'times';
  readonly floor: number;
  readonly aim: number;
  /** What it was measured on, where that differs from what the table asks. */
  readonly note?: string;
};

export type Verdict = 'below' | 'pass' | 'pass, aim reached';

export function verdict({ value, unit, floor, aim }: Figure): Verdict {
  const reaches = (wanted: number): boolean =>
    unit === 'x' || unit === 'a minute' ? value >= wanted : value <= wanted;
  if (!reaches(floor)) return 'below';
  return reaches(aim) ? 'pass, aim reached' : 'pass';
}
