import type { Command } from 'commander';
import { later, withServer } from '../options.ts';

const actions = () => import('../actions/nfs.ts');

export function addNfsCommands(program: Command): void {
  withServer(program.command('clients [ADDRESS]'))
    .summary('show the clients of file volumes, or what one of them called and how long that took')
    .addHelpText('after', '\nExamples:\n  ashlar clients\n  ashlar clients 10.0.0.7')
    .action(later(actions, ({ clients }) => clients));
  withServer(program.command('locks'))
    .summary('show which clients have locks of files')
    .action(later(actions, ({ locks }) => locks));
}
