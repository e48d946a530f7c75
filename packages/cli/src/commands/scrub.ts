import type { Command } from 'commander';
import type { StartOptions } from '../actions/scrub.ts';
import { later, rateArgument, withServer } from '../options.ts';

const actions = () => import('../actions/scrub.ts');

export function addScrubCommands(program: Command, setStatus: (status: number) => void): void {
  const scrub = program.command('scrub').summary('read and verify all that a running server keeps');
  const rate = ['--rate <SIZE>', "most bytes a second, such as 100M; 'off' for no bound", rateArgument] as const;
  withServer(scrub.command('start'))
    .summary('begin; volumes are served meanwhile')
    .option(...rate)
    .option('--wait', 'until it has ended, with status 1 where it found damage')
    .addHelpText('after', '\nExamples:\n  ashlar scrub start --rate 200M\n  ashlar scrub start --wait')
    .action(
      later(
        actions,
        ({ start }) =>
          async (options: StartOptions) =>
            setStatus(await start(options)),
      ),
    );
  withServer(scrub.command('status'))
    .summary('how far it is, and what it found')
    .action(later(actions, ({ status }) => status));
  withServer(scrub.command('pause'))
    .summary('stop where it is')
    .action(later(actions, ({ pause }) => pause));
  withServer(scrub.command('resume'))
    .summary('go on from there')
    .option(...rate)
    .action(later(actions, ({ resume }) => resume));
  withServer(scrub.command('rate'))
    .summary('change how fast it reads at the most')
    .argument('<SIZE>', "bytes a second, such as 100M; 'off' for no bound", rateArgument)
    .action(later(actions, ({ setRate }) => setRate));
  withServer(scrub.command('stop'))
    .summary('give it up')
    .action(later(actions, ({ stop }) => stop));
}
