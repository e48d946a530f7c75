import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CheckResult } from './run.ts';

export type Column = { readonly name: string; readonly results: readonly CheckResult[] };

const signs = { pass: '✓', note: '✓', fail: '✗', skip: '·' } as const;

async function firstLine(program: string, option: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, [option]);
  return (stdout === '' ? stderr : stdout).split('\n')[0]!.trim();
}

/** The versions of the programs that were checked. */
export async function versions(): Promise<readonly string[]> {
  const nbdServer = await promisify(execFile)('dpkg-query', ['-W', '-f', '${Version}', 'nbd-server']);
  return [
    await firstLine('nbdkit', '--version'),
    await firstLine('qemu-nbd', '--version'),
    `nbd-server ${nbdServer.stdout.trim()}`,
  ];
}

/** Counts, and each check that somebody fails, by server. */
export function tablesOf(columns: readonly Column[]): { readonly counts: string; readonly differing: string } {
  const names = columns.map(({ name }) => name);
  const head = (first: string): string =>
    `| ${first} | ${names.join(' | ')} |\n| --- |${names.map(() => ' --- |').join('')}\n`;
  const count = (level: string, kinds: readonly string[]): string =>
    columns
      .map(({ results }) => results.filter((one) => one.level === level && kinds.includes(one.result)).length)
      .join(' | ');
  const counts = ['MUST', 'SHOULD', 'MAY'].flatMap((level) => [
    `| ${level}: passed | ${count(level, ['pass', 'note'])} |`,
    `| ${level}: failed | ${count(level, ['fail'])} |`,
    `| ${level}: does not apply | ${count(level, ['skip'])} |`,
  ]);
  const [first] = columns;
  const differing = (first?.results ?? []).flatMap(({ id, level, title }) => {
    const found = columns.map(({ results }) => results.find((one) => one.id === id)?.result ?? 'skip');
    if (!found.includes('fail')) return [];
    const cell = title.replaceAll('|', '\\|');
    return [`| \`${id}\` (${level}): ${cell} | ${found.map((result) => signs[result]).join(' | ')} |`];
  });
  return { counts: `${head('checks')}${counts.join('\n')}`, differing: `${head('check')}${differing.join('\n')}` };
}

/** The rows of a page's tables, however wide they are. */
export const rowsOf = (page: string): string[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/\s+/g, ' '))
    .filter((line) => !line.startsWith('| ---') && !line.startsWith('| -'));

/** The page: counts first, then each check in which the servers differ. */
export function tableOf(columns: readonly Column[], programs: readonly string[]): string {
  const { counts, differing } = tablesOf(columns);
  return `# Who passes what of the NBD protocol

\`npx nbd-conformance URI\` checks any NBD server against the protocol document: every option, flag, command, limit and
error, 64-bit headers, malformed and cut-off messages, replies in any order, many connections. A check that asks for what
a server does not offer does not apply to it. Checked were ${programs.map((program) => `*${program}*`).join(', ')}.

${counts}

Each check that somebody fails: ✓ passed, ✗ failed, · does not apply.

${differing}

A failure of a peer is a difference from the document and no judgement: most of these no client ever meets. Run the suite
yourself before you believe a table. The test that made this one is
[test/nbd-conformance](../test/nbd-conformance/servers.test.ts); it runs in \`npm test\`.
`;
}
