import { compressions } from '@ashlar/core';
import { Argument, Option, type Command } from 'commander';
import { later, numberArgument, sizeArgument, withServer } from '../options.ts';
import { addSnapshotCommands } from './snapshot.ts';

const actions = () => import('../actions/volume.ts');

function withLimits(command: Command): Command {
  const count = numberArgument(1, 1e9);
  return command
    .option('--iops <N>', 'most operations a second', count)
    .option('--read-iops <N>', 'most reads a second', count)
    .option('--write-iops <N>', 'most writes a second', count)
    .option('--bps <SIZE>', 'most bytes a second, such as 100M', sizeArgument)
    .option('--read-bps <SIZE>', 'most bytes read a second', sizeArgument)
    .option('--write-bps <SIZE>', 'most bytes written a second', sizeArgument);
}

const afterLossOption = (help: string): Option => new Option('--after-loss <WHAT>', help).choices(['hold', 'serve']);

const compressionOption = (help: string): Option => new Option('--compression <HOW>', help).choices([...compressions]);

const required = (flags: string, help: string): Option =>
  new Option(flags, help).argParser(sizeArgument).makeOptionMandatory();

function addMaking(volume: Command): void {
  withServer(withLimits(volume.command('create <NAME>')))
    .summary('make a volume and offer it under its name')
    .addOption(required('--size <SIZE>', 'size, such as 10G; of a file volume: most that its files may take'))
    .option('--reserve <SIZE>', 'room that the pool keeps for it, whatever others write', sizeArgument)
    .addOption(
      new Option('--preallocation <MODE>', 'as qemu-img means it').choices(['off', 'falloc', 'full']).default('off'),
    )
    .addOption(
      compressionOption('zstd: blocks that compress take less room (default: compression of the configuration)'),
    )
    .addOption(
      new Option('--type <TYPE>', 'block: a disk; file: a tree of files, mounted over NFS')
        .choices(['block', 'file'])
        .default('block'),
    )
    .addOption(
      afterLossOption(
        'when writes of a client on another machine may be lost (default: after-loss of the configuration)',
      ),
    )
    .option('--no-export', 'offer it later, with: ashlar export add')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume create demo --size 10G\n  ashlar volume create db --size 1T --preallocation falloc --iops 5000\n  ashlar volume create home --type file --size 1T',
    )
    .action(later(actions, ({ create }) => create));
}

function addLooking(volume: Command): void {
  withServer(volume.command('ls').alias('list'))
    .summary('list volumes')
    .action(later(actions, ({ list }) => list));
  withServer(volume.command('show <NAME>'))
    .summary('show one volume')
    .action(later(actions, ({ showOne }) => showOne));
}

function addChanging(volume: Command): void {
  withServer(volume.command('resize <NAME>'))
    .summary('make a volume larger, also while clients use it; a file volume: larger or smaller')
    .addOption(required('--size <SIZE>', 'the new size, such as 20G'))
    .option('--shrink', 'a smaller size may cut contents off')
    .addHelpText('after', '\nExample:\n  ashlar volume resize demo --size 20G')
    .action(later(actions, ({ resize }) => resize));
  withServer(volume.command('rename <NAME> <NEW>'))
    .summary('rename a volume and the export of its name; clients stay attached')
    .action(later(actions, ({ rename }) => rename));
  withServer(withLimits(volume.command('limit <NAME>')))
    .summary('limit operations and bytes a second; what is not named is not limited')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume limit demo --iops 5000 --bps 200M\n  ashlar volume limit demo        (no limits)',
    )
    .action(later(actions, ({ limit }) => limit));
  withServer(volume.command('reserve <NAME>'))
    .summary('keep room in the pool for a volume, or none any more')
    .argument('<SIZE>', "such as 5G, or 'none'", (text) => (text === 'none' ? text : sizeArgument(text)))
    .addHelpText('after', '\nExamples:\n  ashlar volume reserve db 50G\n  ashlar volume reserve db none')
    .action(later(actions, ({ reserve }) => reserve));
  withServer(volume.command('compress <NAME>').addArgument(new Argument('<HOW>').choices([...compressions])))
    .summary('compress what is written from now on, or not; what is there stays as it is until it is written anew')
    .addHelpText('after', '\nExamples:\n  ashlar volume compress demo zstd\n  ashlar volume compress demo off')
    .action(later(actions, ({ compress }) => compress));
  withServer(volume.command('accept <NAME>'))
    .summary('serve a volume again that is held after a loss; see whether what it holds is whole')
    .addOption(afterLossOption('what later losses do to it'))
    .addHelpText('after', '\nExamples:\n  ashlar volume accept demo\n  ashlar volume accept scratch --after-loss serve')
    .action(later(actions, ({ accept }) => accept));
  withServer(volume.command('rm <NAME...>').alias('remove'))
    .summary('remove volumes, their contents and their exports')
    .option('--force', 'also while clients are attached: their connections end')
    .option('--snapshots', 'also where they have snapshots: those go with them')
    .action(later(actions, ({ remove }) => remove));
}

export function addVolumeCommands(program: Command, setStatus: (status: number) => void): void {
  const volume = program
    .command('volume')
    .summary(
      'make, list, show, resize, rename, limit, reserve for, compress, snapshot, clone, flatten, roll back, accept and remove volumes',
    );
  addMaking(volume);
  addLooking(volume);
  addChanging(volume);
  addSnapshotCommands(volume, setStatus);
}
