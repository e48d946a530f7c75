import type { Check, Level } from './check.ts';
import type { Facts } from './facts.ts';

export type Result = {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly level: Level;
  /** `note`: passed, with something worth knowing that the document leaves open. */
  readonly result: 'pass' | 'fail' | 'skip' | 'note';
  readonly detail?: string;
};

export const levels = ['MUST', 'SHOULD', 'MAY'] as const satisfies readonly Level[];

type Counts = { pass: number; fail: number; skip: number; note: number };

function countResults(results: readonly Result[]): Counts {
  const counts: Counts = { pass: 0, fail: 0, skip: 0, note: 0 };
  for (const { result } of results) counts[result] += 1;
  return counts;
}

/** Whether something failed whose level is `lowest` or above. */
export const hasFailed = (results: readonly Result[], lowest: Level): boolean =>
  results.some(({ level, result }) => result === 'fail' && levels.indexOf(level) <= levels.indexOf(lowest));

export function describeServer({ information, isRootSquashed, limits }: Facts): string {
  const { mostReadBytes, mostWriteBytes } = information;
  const squashed = isRootSquashed ? 'root is nobody' : 'root is root';
  return `reads of ${mostReadBytes} and writes of ${mostWriteBytes} bytes, names of ${limits.mostNameBytes}; ${squashed}`;
}

const column = 36;

/** One line of the table, and one more for the detail. */
export function formatResult({ detail, id, level, result, title }: Result): string {
  const line = `${result.padEnd(4)}  ${level.padEnd(6)}  ${id.padEnd(column)}  ${title}`;
  return detail === undefined ? line : `${line}\n${' '.repeat(16)}${detail}`;
}

/** Two lines a check: what it asks, and where that is written. */
export const formatCheck = ({ id, level, source, title }: Check): string =>
  `${level.padEnd(6)}  ${id.padEnd(column)}  ${title}\n${' '.repeat(8)}${source}`;

/** Counts by level, and what failed. */
export function formatSummary(results: readonly Result[]): string {
  const rows = levels.map((level) => {
    const { fail, note, pass, skip } = countResults(results.filter((result) => result.level === level));
    return `${level.padEnd(6)}  ${pass} passed, ${fail} failed, ${note} noted, ${skip} skipped`;
  });
  const failed = results.filter(({ result }) => result === 'fail').map(({ id, level }) => `  ${level} ${id}`);
  return [...rows, ...(failed.length === 0 ? [] : ['failed:', ...failed])].join('\n');
}

/** What `--json` prints. */
export const toJson = (host: string, results: readonly Result[]): string =>
  JSON.stringify({ host, summary: countResults(results), results }, undefined, 2);
