import { Option, type Command } from 'commander';
import { later } from '../options.ts';

const actions = () => import('../actions/image.ts');

export function addImageCommands(program: Command): void {
  const image = program.command('image').summary('look at image files: raw and qcow2');
  image
    .command('info')
    .summary('size, format, snapshots and what the image is backed by, as qemu-img shows them')
    .argument('<FILE>', 'the image')
    .addOption(new Option('-f, --format <FORMAT>', 'take it for that; else it is looked at').choices(['raw', 'qcow2']))
    .addOption(new Option('--output <HOW>', 'for people, or for programs').choices(['human', 'json']).default('human'))
    .option('--json', 'as --output json')
    .option('--backing-chain', 'and of each image that it is backed by')
    .option('-U, --force-share', 'also while somebody writes to it (always so)')
    .addHelpText('after', '\nExamples:\n  ashlar image info disk.qcow2\n  ashlar image info --output json disk.qcow2')
    .action(later(actions, ({ info }) => info));
}
