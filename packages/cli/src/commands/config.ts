import type { Command } from 'commander';
import { later } from '../options.ts';

const actions = () => import('../actions/config.ts');

export function addConfigCommands(program: Command): void {
  const config = program.command('config').summary('check and show the configuration of the server');
  config
    .command('check')
    .summary('find faults without starting anything')
    .option('--config <FILE>', 'configuration file (ASHLAR_CONFIG; default ashlar.toml where it is there)')
    .option('--json', 'print JSON')
    .action(later(actions, ({ checkConfig }) => checkConfig));
  config
    .command('show')
    .summary('show every key, its value, where that came from and the variable that sets it')
    .option('--config <FILE>', 'configuration file (ASHLAR_CONFIG; default ashlar.toml where it is there)')
    .option('--json', 'print JSON')
    .action(later(actions, ({ showConfig }) => showConfig));
}
