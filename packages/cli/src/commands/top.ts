import type { Command } from 'commander';
import { later, numberArgument, withServer } from '../options.ts';

const actions = () => import('../actions/top.ts');

export function addTopCommand(program: Command): void {
  withServer(program.command('top'))
    .summary('show what the volumes do, live; once where the output is no terminal')
    .option('--interval <SECONDS>', 'between two looks', numberArgument(0.1, 3600), 1)
    .option('--once', 'look once and end')
    .action(later(actions, ({ top }) => top));
}
