import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { shrink } from '@ashlar/testing';
import type { BrokenRule } from '@ashlar/store';
import { readHistory, saveHistory, type SavedHistory } from './history-file.ts';
import { Progress } from './progress.ts';
import { watchRejections } from './rejections.ts';
import { runMany, type Sum } from './run-many.ts';
import { SeedRunner, type SeedOptions } from './run-seed.ts';
import type { Told } from './worker.ts';

const usage = `npm run simulate -- [--seed N] [--count M] [--operations K] [--workers W] [--break RULE] [--checked] [--trace]
npm run simulate -- --seed N --shrink [--save FILE]
npm run simulate -- --history FILE [--shrink [--save FILE]]

Runs the store's code through M random histories with crashes (from seed N on), each of K operations.
--workers W     histories at once, by default as many as there are cores
--break RULE    breaks a rule of the store on purpose, to see that the simulator finds out
--checked       looks at what each crash leaves before it is recovered, as \`ashlar check\` does
--trace         prints what was asked and answered, also when nothing is wrong
--shrink        leaves out operations of a history that fails, as long as it still does, and prints what is left
--save FILE     writes what is left, for --history
--history FILE  runs what was saved`;

/** Histories that are tried before one is small enough. */
const mostTries = 2000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    operations: { type: 'string', default: '200' },
    workers: { type: 'string', default: String(availableParallelism()) },
    break: { type: 'string' },
    checked: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    save: { type: 'string' },
    history: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const each: Omit<SeedOptions, 'seed'> = {
  operations: Number(values.operations),
  checked: values.checked,
  ...(values.break === undefined ? {} : { broken: values.break as BrokenRule }),
};

async function main(): Promise<void> {
  if (values.help) return console.log(usage);
  if (values.history !== undefined) return await runOne(readHistory(values.history));
  const [first, count] = [Number(values.seed), Number(values.count)];
  if (count === 1) return await runOne({ ...each, seed: first });
  const progress = new Progress(count);
  const told = (sum: Sum, { seed, problem }: Told): void => {
    progress.tell(sum);
    if (problem === undefined) return;
    progress.end();
    console.log(`seed ${seed}: ${problem}`);
  };
  const workers = Number(values.workers);
  const { histories, crashes, failures } = await runMany({ first, count, workers, each, told });
  progress.end();
  if (failures.length === 0) return console.log(`${histories} histories with ${crashes} crashes: nothing wrong`);
  const more = [values.break === undefined ? '' : ` --break ${values.break}`, values.checked ? ' --checked' : ''];
  console.log(`${failures.length} of ${histories} histories went wrong; to replay and cut one:`);
  for (const seed of failures) console.log(`npm run simulate -- --seed ${seed} --shrink${more.join('')}`);
  process.exitCode = 1;
}

async function runOne(options: SeedOptions): Promise<void> {
  const runner = new SeedRunner();
  const { crashes, problem, history, done } = await runner.run(options);
  if (problem !== undefined && values.shrink) return await cut(runner, { ...options, operations: done }, problem);
  if (values.trace || problem !== undefined) console.log(history.join('\n'));
  if (problem === undefined) return console.log(`1 history with ${crashes} crashes: nothing wrong`);
  console.log(`\nseed ${options.seed}: ${problem}`);
  process.exitCode = 1;
}

/** How a problem begins: another one that shows on the way is not the one that is looked for. */
const kindOf = (problem: string): string => problem.replaceAll(/\d+/g, '').slice(0, 16);

async function cut(runner: SeedRunner, options: SavedHistory, problem: string): Promise<void> {
  const fails = async (operations: readonly number[]): Promise<boolean> => {
    const found = (await runner.run({ ...options, operations })).problem;
    return found !== undefined && kindOf(found) === kindOf(problem);
  };
  const { items: operations, tries } = await shrink(options.operations, fails, mostTries);
  const left = await runner.run({ ...options, operations });
  console.log(left.history.join('\n'));
  console.log(`\nseed ${options.seed}: ${left.problem}`);
  console.log(
    `${options.operations.length} operations cut to ${operations.length} in ${tries} tries: ${operations.join(' ')}`,
  );
  if (values.save !== undefined) saveHistory(values.save, { ...options, operations });
  process.exitCode = 1;
}

watchRejections();
try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
