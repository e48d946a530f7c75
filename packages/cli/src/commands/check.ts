import type { Command } from 'commander';
import type { CheckOptions } from '../actions/check.ts';
import { later } from '../options.ts';

const actions = () => import('../actions/check.ts');

export function addCheckCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('check')
    .summary('read and verify everything in the pool of a server that does not run')
    .option('--data <DIR>', 'data directory (ASHLAR_DATA; default ./ashlar-data)')
    .option('--repair', 'mend what the maps and the journal leave no doubt about')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '',
        'Without --repair nothing is changed, and of each problem it is said whether --repair mends it, or what is left to do.',
        'With --repair a damaged database is made anew of its log, and then counts, records of what was deleted and what is in use on record are made to fit the maps, by one commit; data,',
        'maps and the journal are never written to. What is not mended is left as it is.',
        '',
        'Status 0 where everything is in order, or was mended; 1 where something is wrong (is left with --repair) or the check could',
        'not be made; 2 where the command was written in a way that cannot be.',
        '',
        'Examples:',
        '  ashlar check --data /srv/pool',
        '  ashlar check --data /srv/pool --repair',
      ].join('\n'),
    )
    .action(
      later(
        actions,
        ({ check }) =>
          async (options: CheckOptions) =>
            setStatus(await check(options)),
      ),
    );
}
