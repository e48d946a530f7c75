import type { Command } from 'commander';
import { later, withServer } from '../options.ts';

const actions = () => import('../actions/status.ts');

export function addStatusCommand(program: Command): void {
  withServer(program.command('status'))
    .summary('show the server, its pool and its clients')
    .action(later(actions, ({ status }) => status));
}
