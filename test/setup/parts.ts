import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkout } from './checkout.ts';
import type { Step } from './steps.ts';

/** Where a test and the benchmark leave figures for the report, a Markdown file each. */
export const figuresFolder = 'test/out/report';

/** A step of a long run, and when it had ended (ISO 8601). */
export type Part = Step & { readonly ended: string };

type Kept = { readonly commit: string; readonly parts: readonly Part[] };

const path = 'test/out/long.json';

/** What is tested; nothing where that is no commit as it is. */
function commit(): string | undefined {
  const { commit: name, isChanged } = checkout();
  return isChanged ? undefined : name;
}

/**
 * What of a long run has ended already, for the same commit: one may be run in parts (`npm run test:long -- benchmark`). That of another commit goes,
 * with its figures.
 */
export async function earlierParts(): Promise<readonly Part[]> {
  const kept = await readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as Kept,
    () => undefined,
  );
  if (kept !== undefined && kept.commit === commit()) return kept.parts;
  await rm(figuresFolder, { recursive: true, force: true });
  await rm(path, { force: true });
  return [];
}

/** The same with these steps, which take the place of what they are called; kept for the next part. */
export async function withSteps(earlier: readonly Part[], steps: readonly Step[]): Promise<readonly Part[]> {
  const ended = new Date().toISOString();
  const others = earlier.filter(({ name }) => !steps.some((step) => step.name === name));
  const parts = [...others, ...steps.map((step) => ({ ...step, ended }))];
  const now = commit();
  if (now !== undefined) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify({ commit: now, parts } satisfies Kept));
  }
  return parts;
}
