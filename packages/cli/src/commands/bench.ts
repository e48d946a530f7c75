import { KiB } from '@ashlar/core';
import { Option, type Command } from 'commander';
import { loadOperations } from '../bench/operations.ts';
import { later, numberArgument, sizeArgument, withServer } from '../options.ts';

const actions = () => import('../actions/bench.ts');

export function addBenchCommand(program: Command): void {
  const count = numberArgument(1, 1024);
  withServer(program.command('bench <URI>'))
    .summary('measure an NBD server: an nbd:// URI, or an export of this server by its name')
    .addOption(new Option('--op <OPERATION>', 'what to do').choices(loadOperations).default('randread'))
    .option('--size <SIZE>', 'bytes of each request', sizeArgument, 4 * KiB)
    .option('--depth <N>', 'requests in flight', count, 16)
    .option('--connections <N>', 'connections to spread them over', numberArgument(1, 16), 1)
    .option('--seconds <N>', 'how long', numberArgument(0.1, 86400), 10)
    .option('--range <SIZE>', 'touch only so much from the start', sizeArgument)
    .option('--read-percent <N>', 'of randrw: reads in a hundred', numberArgument(0, 100), 70)
    .option('--flush-every <N>', 'flush after each so many writes', numberArgument(0, 1e9), 0)
    .option('--overwrite', 'the contents may be written over')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar bench demo\n  ashlar bench nbd://localhost/demo --op randwrite --depth 64 --connections 4 --overwrite',
    )
    .action(later(actions, ({ bench }) => bench));
}
