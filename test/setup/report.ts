import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { checkout, firstLine } from './checkout.ts';
import { figuresFolder, type Part } from './parts.ts';

const folder = 'docs/reports';

export const reportPath = (): string => `${folder}/${new Date().toISOString().slice(0, 10)}.md`;

function versions(): string {
  const { commit, isChanged } = checkout();
  const rows = [
    ['commit', `${commit}${isChanged ? ', with uncommitted changes' : ''}`],
    ['node', process.version],
    ['kernel', release()],
    ['processor', `${cpus()[0]?.model ?? '-'}, ${availableParallelism()} cores`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['qemu-img', firstLine('qemu-img', '--version')],
    ['nbdkit', firstLine('nbdkit', '--version')],
    ['libnbd', firstLine('nbdinfo', '--version')],
    ['nbd-server', firstLine('dpkg-query', '-W', '-f=${Version}', 'nbd-server')],
    ['fio', firstLine('fio', '--version')],
  ];
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function counts(steps: readonly Part[]): string {
  const rows = steps.map(
    ({ ended, name, passed, failed, skipped, seconds }) =>
      `| ${name} | ${passed} | ${failed.length} | ${skipped.length} | ${seconds.toFixed(1)} | ${ended.slice(0, 16).replace('T', ' ')} |`,
  );
  const heading = '| what | passed | failed | skipped | seconds | over at (UTC) |';
  return [heading, '| --- | --- | --- | --- | --- | --- |', ...rows].join('\n');
}

const list = (titles: readonly string[]): string => titles.map((title) => `- ${title}`).join('\n');

function section(title: string, body: string): string {
  return body === '' ? '' : `\n## ${title}\n\n${body}\n`;
}

/** Headings two levels further down. */
const lower = (markdown: string): string => markdown.replace(/^(?=#+ )/gm, '##');

function figures(): string {
  try {
    const names = readdirSync(figuresFolder).filter((name) => name.endsWith('.md'));
    return names.map((name) => lower(readFileSync(join(figuresFolder, name), 'utf8').trim())).join('\n\n');
  } catch {
    return '';
  }
}

/** Writes the dated report of a long run: what ran, on what, and how it ended; `all`: what a whole run has. */
export async function writeReport(
  steps: readonly Part[],
  all: readonly string[],
  missing: readonly string[],
): Promise<void> {
  const left = all.filter((name) => !steps.some((step) => step.name === name));
  const failed = steps.flatMap((step) => step.failed);
  const passed = steps.reduce((sum, step) => sum + step.passed, 0);
  const text = [
    `# Long run of ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC\n`,
    `${passed} passed, ${failed.length} failed\n`,
    section('On what', versions()),
    section('What ran', counts(steps)),
    section('Did not run', list(left)),
    section('Failed', list(failed)),
    section('Skipped', list(steps.flatMap((step) => step.skipped))),
    section('Not on the machine', list(missing)),
    section('Figures', figures()),
  ].join('');
  await mkdir(folder, { recursive: true });
  await writeFile(reportPath(), text);
}
