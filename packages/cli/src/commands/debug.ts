import type { Command } from 'commander';
import { later } from '../options.ts';

const actions = () => import('../actions/debug.ts');

export function addDebugCommands(program: Command): void {
  const dump = program
    .command('debug')
    .summary('look inside the pool of a server that does not run')
    .command('dump')
    .summary('show what a pool keeps; what its journal holds is recovered first');
  dump
    .command('record')
    .summary('show the catalogue as it is on record')
    .option('--data <DIR>', 'data directory (ASHLAR_DATA; default ./ashlar-data)')
    .option('--json', 'print JSON')
    .action(later(actions, ({ dumpRecords }) => dumpRecords));
  dump
    .command('map <VOLUME>')
    .summary('show the extents of a volume: offset, length, state')
    .option('--data <DIR>', 'data directory (ASHLAR_DATA; default ./ashlar-data)')
    .option('--json', 'print JSON')
    .action(later(actions, ({ dumpMap }) => dumpMap));
}
