import type { Command } from 'commander';
import type { FlattenOptions } from '../actions/flatten.ts';
import { durationArgument, later, numberArgument, withServer } from '../options.ts';

const actions = () => import('../actions/snapshot.ts');
const flattening = () => import('../actions/flatten.ts');
const stream = () => import('../actions/stream.ts');

/** `ashlar volume snapshot …`, and what is made of snapshots. */
export function addSnapshotCommands(volume: Command, setStatus: (status: number) => void): void {
  const snapshot = volume
    .command('snapshot')
    .summary('take, list and remove snapshots')
    .addHelpText(
      'after',
      '\nA snapshot is named VOLUME@SNAPSHOT. It takes no time and no room until the volume changes, and is offered read-only beside\nits volume: nbd://HOST/VOLUME@SNAPSHOT.',
    );
  withServer(snapshot.command('create <VOLUME@SNAPSHOT...>', { isDefault: true }))
    .summary('take snapshots: of several volumes all of one instant')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume snapshot demo@before\n  ashlar volume snapshot create db@monday log@monday',
    )
    .action(later(actions, ({ create }) => create));
  withServer(snapshot.command('ls [VOLUME]').alias('list'))
    .summary('list the snapshots of a volume, or of all')
    .action(later(actions, ({ list }) => list));
  withServer(snapshot.command('show <VOLUME@SNAPSHOT>'))
    .summary('show one snapshot, and what it takes')
    .action(later(actions, ({ showOne }) => showOne));
  withServer(snapshot.command('schedule <VOLUME>'))
    .summary('take snapshots by themselves, and keep so many; without options: show how')
    .option('--every <TIME>', 'such as 15m, 1h, 1d or 1w, at whole multiples in UTC', durationArgument)
    .option('--keep <N>', 'how many of them are kept', numberArgument(1, 10_000))
    .option('--name <NAME>', 'of the schedule: it begins the names of its snapshots', 'auto')
    .option('--off', 'no more of them; those that are there stay')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume snapshot schedule demo --every 1h --keep 24 --name hourly\n  ashlar volume snapshot schedule demo --off --name hourly',
    )
    .action(later(actions, ({ schedule }) => schedule));
  withServer(snapshot.command('rm <VOLUME@SNAPSHOT...>').alias('remove'))
    .summary('remove snapshots; what only they have comes back in the background')
    .option('--force', 'also while clients are attached: their connections end')
    .action(later(actions, ({ remove }) => remove));
  withServer(volume.command('clone <VOLUME@SNAPSHOT> <NEW>'))
    .summary('make a volume of what a snapshot has, at once whatever its size')
    .option('--no-export', 'offer it later, with: ashlar export add')
    .addHelpText('after', '\nExample:\n  ashlar volume clone debian@installed vm7')
    .action(later(actions, ({ clone }) => clone));
  withServer(volume.command('flatten <NAME>'))
    .summary('make a clone a volume of its own: what it has of its origin is copied, and that can be removed')
    .option('--no-wait', 'let it go on in the background')
    .option('--stop', 'give it up: the volume stays a clone, with what is copied')
    .addHelpText(
      'after',
      "\nThe volume is used meanwhile, and a restart of the server goes on with it. It must have no snapshots, which have what is its\norigin's, and none is taken until it is done.\n\nExample:\n  ashlar volume flatten vm7",
    )
    .action(
      later(
        flattening,
        ({ flatten }) =>
          async (name: string, options: FlattenOptions) =>
            setStatus(await flatten(name, options)),
      ),
    );
  withServer(volume.command('diff <VOLUME@SNAPSHOT> [LATER]'))
    .summary('what changed of a disk behind a snapshot: until a later one, or until now; no data is read')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume diff demo@monday demo@tuesday\n  ashlar volume diff demo@monday',
    )
    .action(later(actions, ({ diff }) => diff));
  withServer(volume.command('send <VOLUME@SNAPSHOT>'))
    .summary('write a snapshot of a disk as a stream, whole or (VOLUME@A..B) what changed from A to B')
    .option('--from-offset <BYTES>', 'go on where a stream broke off', numberArgument(0, Number.MAX_SAFE_INTEGER))
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume send demo@monday > demo-monday.stream\n  ashlar volume send demo@monday..tuesday | ssh backup ashlar volume receive demo',
    )
    .action(later(stream, ({ send }) => send));
  withServer(volume.command('receive <VOLUME>'))
    .summary('make a volume, or the next snapshot of one, from a stream')
    .option('--resume', 'go on with a stream that broke off')
    .option('--force', 'what was written since the last snapshot is lost')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume receive demo < demo-monday.stream\n  ashlar volume receive demo --force < demo-tuesday.stream',
    )
    .action(later(stream, ({ receive }) => receive));
  withServer(volume.command('rollback <VOLUME@SNAPSHOT>'))
    .summary('make a volume what a snapshot has; what came since is lost')
    .option('--remove-newer', 'the snapshots that are newer go')
    .option('--force', 'also while clients are attached: their connections end')
    .addHelpText('after', '\nExample:\n  ashlar volume rollback demo@before')
    .action(later(actions, ({ rollBack }) => rollBack));
}
