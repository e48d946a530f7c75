import type { Command } from 'commander';
import { collect, later, sizeArgument } from '../options.ts';
import { addImageCareCommands } from './image-care.ts';
import { addImageCopyCommands } from './image-copy.ts';
import { addImageLookCommands } from './image-look.ts';
import { formatOption, imageOptsOption, outputOption, shared } from './image-options.ts';

const actions = () => import('../actions/image.ts');

export function addImageCommands(program: Command, setStatus: (status: number) => void): void {
  const image = program.command('image').summary('make, convert, check and look at disk images: raw and qcow2');
  addImageCopyCommands(image);
  addImageLookCommands(image, setStatus);
  image
    .command('create')
    .summary('make an image, as qemu-img makes it')
    .argument('<FILE>', 'the image')
    .argument('[SIZE]', 'such as 10G; without it that of the backing file', sizeArgument)
    .addOption(formatOption('-f, --format <FORMAT>', 'of the image').default('raw'))
    .option('-o, --options <LIST>', 'NAME=VALUE,…: what qemu-img knows by these names', collect(String))
    .option('-b, --backing <FILE>', 'what the image is backed by')
    .option('-F, --backing-format <FORMAT>', 'the format of that')
    .option('-u, --unsafe', 'do not look at the backing file')
    .option('-q, --quiet', 'print nothing')
    .addHelpText(
      'after',
      [
        '',
        'Options: size, preallocation (off, metadata, falloc, full), compat (0.10, 1.1), cluster_size, refcount_bits, lazy_refcounts,',
        'extended_l2, compression_type (zlib, zstd), backing_file, backing_fmt, data_file, data_file_raw. Of raw images: the first two.',
        '',
        'Examples:',
        '  ashlar image create -f raw -o preallocation=falloc disk.raw 10G',
        '  ashlar image create -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2',
      ].join('\n'),
    )
    .action(later(actions, ({ create }) => create));
  image
    .command('info')
    .summary('size, format, snapshots and what the image is backed by, as qemu-img shows them')
    .argument('<DISK>', 'a file or a URI')
    .addOption(formatOption())
    .addOption(imageOptsOption())
    .addOption(outputOption())
    .option('--json', 'as --output json')
    .option('--backing-chain', 'and of each image that it is backed by')
    .option(...shared)
    .addHelpText('after', '\nExamples:\n  ashlar image info disk.qcow2\n  ashlar image info --output json disk.qcow2')
    .action(later(actions, ({ info }) => info));
  addImageCareCommands(image, setStatus);
}
