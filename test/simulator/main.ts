import { parseArgs } from 'node:util';
import type { BrokenRule } from '@ashlar/store';
import { runSeed } from './run-seed.ts';

const usage = `npm run simulate -- [--seed N] [--count M] [--operations K] [--break RULE] [--checked] [--history]

Runs the store's code through M random histories with crashes (from seed N on), each of K operations.
--break RULE  breaks a rule of the store on purpose, to see that the simulator finds out
--checked     looks at what each crash leaves before it is recovered, as \`ashlar check\` does
--history     prints what was asked and answered, also when nothing is wrong`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    operations: { type: 'string', default: '200' },
    break: { type: 'string' },
    checked: { type: 'boolean', default: false },
    history: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  if (values.help) return console.log(usage);
  const first = Number(values.seed);
  let crashes = 0;
  for (let seed = first; seed < first + Number(values.count); seed += 1) {
    const broken = values.break === undefined ? {} : { broken: values.break as BrokenRule };
    const { checked, operations } = values;
    const outcome = await runSeed({ seed, operations: Number(operations), checked, ...broken });
    crashes += outcome.crashes;
    if (values.history || outcome.problem !== undefined) console.log(outcome.history.join('\n'));
    if (outcome.problem === undefined) continue;
    console.log(`\nseed ${seed}: ${outcome.problem}`);
    process.exitCode = 1;
    return;
  }
  console.log(`${values.count} histories with ${crashes} crashes: nothing wrong`);
}

await main();
