import type { Command } from 'commander';
import { later, numberArgument } from '../options.ts';

const actions = () => import('../actions/debug.ts');

const example = (line: string): string => `\nExample:\n  ashlar debug dump ${line}`;

export function addDebugCommands(program: Command): void {
  const dump = program
    .command('debug')
    .summary('look inside the pool of a server that does not run')
    .command('dump')
    .summary('show what a pool keeps; changes nothing in it')
    .addHelpText(
      'after',
      '\nThe server must not run: what it changes meanwhile cannot be read. What the last checkpoint committed is in\nrecord, map and slot; what came behind it is in journal, from where the next start brings it home.',
    );
  withData(dump.command('journal'))
    .summary('show the frames of the journal behind the last checkpoint, and what is missing')
    .addHelpText('after', example('journal --data /srv/pool'))
    .action(later(actions, ({ journal }) => journal));
  withData(dump.command('map <VOLUME>'))
    .summary('show where the chunks of a volume lie: slots, blocks, births')
    .addHelpText('after', example('map demo --json'))
    .action(later(actions, ({ map }) => map));
  withData(dump.command('slot'))
    .argument('<SLOT>', 'its number, as the map of a volume says it', numberArgument(0, Number.MAX_SAFE_INTEGER))
    .summary('show a slot: where it is, who refers to it, the checksum of each block')
    .addHelpText('after', example('slot 17'))
    .action(later(actions, ({ slot }) => slot));
  withData(dump.command('record'))
    .summary('show every record of the database: the pool, stores, objects, what is in use, the catalogue')
    .addHelpText('after', example('record --json'))
    .action(later(actions, ({ record }) => record));
}

const withData = (command: Command): Command =>
  command.option('--data <DIR>', 'data directory (ASHLAR_DATA; default ./ashlar-data)').option('--json', 'print JSON');
