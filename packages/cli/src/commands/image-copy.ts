import { Option, type Command } from 'commander';
import { collect, later, numberArgument, rateArgument, sizeArgument } from '../options.ts';
import { cacheOption, formatOption, imageOptsOption, shared, sourceCacheOption } from './image-options.ts';

const converting = () => import('../actions/image-convert.ts');
const chains = () => import('../actions/image-chain.ts');

/** The commands that write what others have. */
export function addImageCopyCommands(image: Command): void {
  addConvert(image);
  image
    .command('dd')
    .summary('copy blocks of a disk to a new image; zeros become holes')
    .argument('<OPERANDS...>', 'if=FILE of=FILE, bs=SIZE (512), count=BLOCKS, skip=BLOCKS')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the disk that is read'))
    .addOption(imageOptsOption())
    .addOption(formatOption('-O, --output-format <FORMAT>', 'of the image that is made').default('raw'))
    .option(...shared)
    .addHelpText('after', '\nExamples:\n  ashlar image dd if=disk.qcow2 of=part.raw bs=1M skip=10 count=5')
    .action(
      later(
        () => import('../actions/image-dd.ts'),
        ({ dd }) => dd,
      ),
    );
  image
    .command('commit')
    .summary('write what an image has into the one that it is backed by')
    .argument('<FILE>', 'the image')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the image'))
    .addOption(imageOptsOption())
    .option(
      '-b, --base <FILE>',
      'an image further down the chain; what is between them stays, and is worth nothing then',
    )
    .option('-d, --keep', 'leave in the image what it has')
    .option('-r, --rate <RATE>', 'bytes a second', rateArgument)
    .addOption(cacheOption())
    .option('-p, --progress', 'print how far it is')
    .option('-q, --quiet', 'print nothing')
    .addHelpText('after', '\nExamples:\n  ashlar image commit overlay.qcow2')
    .action(later(chains, ({ commit }) => commit));
  image
    .command('rebase')
    .summary('give an image another backing file, with the same contents')
    .argument('<FILE>', 'a qcow2 image')
    .option('-b, --backing <FILE>', "what it is backed by from then on; '': nothing")
    .addOption(formatOption('-F, --backing-format <FORMAT>', 'the format of that'))
    .option('-u, --unsafe', 'change the name only: nothing is read or compared')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the image: qcow2'))
    .addOption(imageOptsOption())
    .addOption(cacheOption())
    .addOption(sourceCacheOption())
    .option('-p, --progress', 'print how far it is')
    .option('-q, --quiet', 'print nothing')
    .option(...shared)
    .addHelpText(
      'after',
      "\nExamples:\n  ashlar image rebase -b base2.qcow2 -F qcow2 disk.qcow2\n  ashlar image rebase -b '' disk.qcow2",
    )
    .action(later(chains, ({ rebase }) => rebase));
}

function addConvert(image: Command): void {
  image
    .command('convert')
    .summary('copy disks to an image, a volume or a server; holes stay holes')
    .argument('<NAMES...>', 'one disk or several, one behind the other in the copy, and then the target')
    .addOption(formatOption('-f, --format <FORMAT>', 'of what is read; else it is looked at'))
    .addOption(imageOptsOption())
    .addOption(formatOption('-O, --output-format <FORMAT>', 'of the target').default('raw'))
    .option('-o, --options <LIST>', "NAME=VALUE,…: as of 'image create'", collect(String))
    .option('-B, --backing <FILE>', 'what backs the target, and has what backs the source')
    .addOption(formatOption('-F, --backing-format <FORMAT>', 'the format of that'))
    .option('-c, --compress', 'compress the clusters of the target (qcow2)')
    .option('-S, --sparse <SIZE>', 'so many zeros in a row become a hole (4096); 0: nothing does', sizeArgument)
    .option('-n, --no-create', 'the target is there, and large enough')
    .addOption(
      new Option('--target-image-opts', "with -n: the target is named by QEMU's options").conflicts('outputFormat'),
    )
    .option('--target-is-zero', 'with -n: nothing but zeros is in the target')
    .option('-m, --coroutines <NUMBER>', 'requests under way at once, 1 to 16', numberArgument(1, 16), 8)
    .option('-W, --out-of-order', 'write in any order')
    .option(
      '-C, --copy-offloading',
      'let the system copy from file to file where it can, and share the room; zeros in data stay data',
    )
    .option('-l, --snapshot <SNAPSHOT>', 'a snapshot in the image, by its id or name')
    .option('-r, --rate <RATE>', 'bytes a second', rateArgument)
    .option('--bitmaps', 'copy the bitmaps of the source as well (qcow2)')
    .option('--skip-broken-bitmaps', 'with --bitmaps: leave out those that are worth nothing, and tell')
    .option('--salvage', 'what cannot be read is zeros in the target, and told')
    .addOption(cacheOption('unsafe: files are not synced in the end; the others: they are').default('unsafe'))
    .addOption(sourceCacheOption())
    .option('-p, --progress', 'print how far it is')
    .option('-q, --quiet', 'print nothing')
    .option(...shared)
    .addHelpText(
      'after',
      [
        '',
        'A disk is a path, file:///PATH, qcow2:///PATH, nbd://HOST/EXPORT, nbd+unix:///EXPORT?socket=PATH, or ashlar://HOST/VOLUME[@SNAPSHOT]',
        '(ashlar:///VOLUME: of the server that other commands find). A target that is no file is there already.',
        '',
        'Examples:',
        '  ashlar image convert -O qcow2 -c disk.raw disk.qcow2',
        '  ashlar image convert -p debian.qcow2 ashlar:///data',
      ].join('\n'),
    )
    .action(later(converting, ({ convert }) => convert));
}
