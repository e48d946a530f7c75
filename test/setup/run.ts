import { clearFigures, figuresFolder, reportPath, writeReport } from './report.ts';
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

async function runAll(): Promise<Step[]> {
  const steps = [toolStep()];
  steps.push(await check('format, lint and types', ['turbo', 'run', 'format:check', 'lint', 'types']));
  const words = process.argv.slice(2);
  steps.push(...(await tests(wanted(testFolders(), words), long ? ['--timeout', '60m'] : [])));
  if (long && wanted(['simulate'], words).length > 0) {
    const histories = ['node', 'test/simulator/main.ts', '--count', '10000'];
    steps.push(await check('simulate: 10,000 histories', histories));
  }
  if (long && wanted(['benchmark'], words).length > 0) {
    steps.push(await check('benchmark', ['node', 'bench/main.ts', 'nbd', '--others', '1', '--out', figuresFolder]));
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
  if (passed === 0) console.log('no test ran');
  console.log(`${passed} passed, ${failed.length} failed`);
  return passed > 0 && failed.length === 0;
}

if (long) await clearFigures();
const steps = await runAll();
if (long) {
  await writeReport(steps, missing);
  console.log(`\nthe report is ${reportPath()}`);
}
process.exitCode = summarise(steps) ? 0 : 1;
