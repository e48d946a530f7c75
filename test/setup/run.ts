import { earlierParts, figuresFolder, withSteps, type Part } from './parts.ts';
import { reportPath, writeReport } from './report.ts';
import { check, testFolders, tests, type Step } from './steps.ts';

const long = process.env['ASHLAR_LONG'] === '1';
const missing = (process.env['ASHLAR_MISSING_TOOLS'] ?? '').split(/\s+/).filter((tool) => tool !== '');
const inCi = process.env['CI'] === 'true';

function toolStep(): Step {
  const failed = inCi ? missing.map((tool) => `${tool} is missing`) : [];
  return { name: 'tools', passed: 0, failed, skipped: [], seconds: 0 };
}

/** A word on the command line keeps the folders that contain it: `npm test -- nbd`. */
function wanted(folders: readonly string[], words: readonly string[]): readonly string[] {
  return words.length === 0 ? folders : folders.filter((folder) => words.some((word) => folder.includes(word)));
}

const checks = 'format, lint and types';
const histories = 'simulate: 10,000 histories';
const benchmark = 'benchmark';

/** What is wanted, some of it at once; `over` is told of what is. */
async function runAll(words: readonly string[], over: (steps: readonly Step[]) => Promise<void>): Promise<Step[]> {
  const steps: Step[] = [];
  const run = async (some: readonly Step[]): Promise<void> => {
    steps.push(...some);
    await over(some);
  };
  await run([toolStep(), await check(checks, ['turbo', 'run', 'format:check', 'lint', 'types'])]);
  await run(await tests(wanted(testFolders(), words), long ? ['--timeout', '60m'] : []));
  if (long && wanted([histories], words).length > 0) {
    await run([await check(histories, ['node', 'test/simulator/main.ts', '--count', '10000'])]);
  }
  if (long && wanted([benchmark], words).length > 0) {
    // What nothing must be reached in is left to those who ask for it.
    const scale = ['--pairs', '3', '--others', '0'];
    await run([await check(benchmark, ['node', 'bench/main.ts', 'nbd', ...scale, '--out', figuresFolder])]);
  }
  return steps;
}

function summarise(steps: readonly Step[]): boolean {
  const passed = steps.reduce((sum, step) => sum + step.passed, 0);
  const failed = steps.flatMap((step) => step.failed);
  const skipped = steps.flatMap((step) => step.skipped);
  console.log('');
  for (const { name, seconds, ...counts } of steps) {
    const skips = counts.skipped.length === 0 ? '' : `, ${counts.skipped.length} skipped`;
    console.log(
      `${seconds.toFixed(1).padStart(7)} s  ${name}: ${counts.passed} passed, ${counts.failed.length} failed${skips}`,
    );
  }
  if (missing.length > 0) console.log(`not on this machine: ${missing.join(', ')}`);
  for (const title of skipped) console.log(`skipped: ${title}`);
  for (const title of failed) console.log(`failed: ${title}`);
  const ran = passed > 0 || steps.some(({ name }) => name === histories || name === benchmark);
  if (!ran) console.log('no test ran');
  console.log(`${passed} passed, ${failed.length} failed`);
  return ran && failed.length === 0;
}

let parts: readonly Part[] = long ? await earlierParts() : [];
const steps = await runAll(process.argv.slice(2), async (some) => {
  if (long) parts = await withSteps(parts, some);
});
if (long) {
  await writeReport(parts, ['tools', checks, ...testFolders(), histories, benchmark], missing);
  console.log(`\nthe report is ${reportPath()}`);
}
process.exitCode = summarise(steps) ? 0 : 1;
