import type { Command } from 'commander';
import type { CheckOptions } from '../actions/check.ts';
import { later } from '../options.ts';

const actions = () => import('../actions/check.ts');

export function addCheckCommand(program: Command, setStatus: (status: number) => void): void {
  program
    .command('check')
    .summary('read and verify everything in the pool of a server that does not run')
    .option('--data <DIR>', 'data directory (ASHLAR_DATA; default ./ashlar-data)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nChanges nothing: what is wrong is told, not mended. Status 1 where something is.\n\nExample:\n  ashlar check --data /srv/pool',
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
