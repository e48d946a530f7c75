import type { Check, Level } from './check.ts';
import type { Facts } from './facts.ts';
import { formatBytes } from './format.ts';
import type { Result } from './runner.ts';

export const levels = ['MUST', 'SHOULD', 'MAY'] as const satisfies readonly Level[];

export type Counts = { readonly pass: number; readonly fail: number; readonly skip: number; readonly note: number };

function countResults(results: readonly Result[]): Counts {
  const counts = { pass: 0, fail: 0, skip: 0, note: 0 };
  for (const { result } of results) counts[result]++;
  return counts;
}

/** Whether something failed whose level is `lowest` or above. */
export const hasFailed = (results: readonly Result[], lowest: Level): boolean =>
  results.some(({ result, level }) => result === 'fail' && levels.indexOf(level) <= levels.indexOf(lowest));

export function describeServer(facts: Facts): string {
  if (!facts.isOpen) return 'The server insists on TLS; give --tls-ca or --tls-psk to check the rest.';
  const sizes = facts.info.blockSize;
  const block =
    sizes === undefined
      ? 'no block sizes'
      : `block sizes ${formatBytes(sizes.minimum)}, ${formatBytes(sizes.preferred)}, ${formatBytes(sizes.maximum)}`;
  const contexts = facts.contexts.length === 0 ? 'no metadata contexts' : facts.contexts.join(', ');
  return `${formatBytes(facts.size)}, ${block}; ${facts.styles.join(', ')} replies; ${contexts}; TLS ${facts.tls}`;
}

const column = 32;

/** One line of the table, and one more for the detail. */
export function formatResult({ id, level, result, title, detail }: Result): string {
  const line = `${result.padEnd(4)}  ${level.padEnd(6)}  ${id.padEnd(column)}  ${title}`;
  return detail === undefined ? line : `${line}\n${' '.repeat(16)}${detail}`;
}

/** Two lines a check: what it asks, and where that is written. */
export const formatCheck = ({ id, level, title, source, writes }: Check): string =>
  `${level.padEnd(6)}  ${id.padEnd(column)}  ${title}${writes === true ? ' (writes)' : ''}\n${' '.repeat(8)}${source}`;

/** Counts by level, and what failed. */
export function formatSummary(results: readonly Result[]): string {
  const rows = levels.map((level) => {
    const { pass, fail, skip, note } = countResults(results.filter((result) => result.level === level));
    return `${level.padEnd(6)}  ${pass} passed, ${fail} failed, ${note} noted, ${skip} skipped`;
  });
  const failed = results.filter(({ result }) => result === 'fail').map(({ id, level }) => `  ${level} ${id}`);
  return [...rows, ...(failed.length === 0 ? [] : ['failed:', ...failed])].join('\n');
}

/** What `--json` prints. */
export const toJson = (uri: string, facts: Facts, results: readonly Result[]): string =>
  JSON.stringify({ uri, server: facts, summary: countResults(results), results }, undefined, 2);
