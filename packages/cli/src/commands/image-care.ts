import { Option, type Command } from 'commander';
import type { CheckOptions } from '../actions/image-care.ts';
import { later } from '../options.ts';
import { formatOption, imageOptsOption, outputOption, shared } from './image-options.ts';

const actions = () => import('../actions/image-care.ts');

/** Commands that look after images that are there. */
export function addImageCareCommands(image: Command, setStatus: (status: number) => void): void {
  image
    .command('check')
    .summary('compare who refers to the clusters of a qcow2 image with its refcounts, and mend them')
    .argument('<FILE>', 'the image')
    .addOption(formatOption())
    .addOption(imageOptsOption())
    .addOption(outputOption())
    .option('--json', 'as --output json')
    .addOption(
      new Option('-r, --repair <WHAT>', 'give lost clusters back, or mend all that can be').choices(['leaks', 'all']),
    )
    .option('-q, --quiet', 'print nothing but errors')
    .option(...shared)
    .addHelpText(
      'after',
      [
        '',
        'Status, as of qemu-img: 0 where all is in order, 1 where the check could not be made, 2 where the image is damaged, 3 where it has',
        'clusters that nobody has, and nothing else, 63 where the format has nothing to check.',
        '',
        'Examples:',
        '  ashlar image check disk.qcow2',
        '  ashlar image check -r all disk.qcow2',
      ].join('\n'),
    )
    .action(
      later(
        actions,
        ({ check }) =>
          async (path: string, options: CheckOptions) =>
            setStatus(await check(path, options)),
      ),
    );
  image
    .command('resize')
    .summary('make an image larger, or smaller')
    .argument('<FILE>', 'the image')
    .argument('<SIZE>', 'such as 10G; +10G or -10G from what it has')
    // A size may begin as an option does.
    .allowUnknownOption()
    .addOption(formatOption())
    .addOption(imageOptsOption())
    .addOption(
      new Option('--preallocation <HOW>', 'room for what is added')
        .choices(['off', 'metadata', 'falloc', 'full'])
        .default('off'),
    )
    .option('--shrink', 'delete what is behind the new end')
    .option('-q, --quiet', 'print nothing but errors')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar image resize disk.qcow2 +10G\n  ashlar image resize --shrink -f raw disk.raw 4G',
    )
    .action(later(actions, ({ resize }) => resize));
  image
    .command('snapshot')
    .summary('list the snapshots within a qcow2 image, make one, go back to one, or delete one')
    .argument('<FILE>', 'the image')
    .addOption(imageOptsOption())
    .addOption(
      new Option('-l, --list', 'list them; so without another option').conflicts(['create', 'apply', 'delete']),
    )
    .addOption(new Option('-c, --create <NAME>', 'keep what the image has now').conflicts(['apply', 'delete']))
    .addOption(new Option('-a, --apply <NAME>', 'the image has what it had then').conflicts(['delete']))
    .option('-d, --delete <NAME>', 'remove one')
    .option('-q, --quiet', 'print nothing but errors')
    .option('-U, --force-share', 'list them also while somebody writes to the image')
    .addHelpText(
      'after',
      '\nNAME may be an id as well.\n\nExamples:\n  ashlar image snapshot -c before disk.qcow2\n  ashlar image snapshot -a before disk.qcow2',
    )
    .action(later(actions, ({ snapshot }) => snapshot));
}
