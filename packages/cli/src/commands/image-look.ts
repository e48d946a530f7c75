import type { Command } from 'commander';
import { collect, later, numberArgument, sizeArgument } from '../options.ts';
import {
  cacheOption,
  formatOption,
  imageOptsOption,
  outputOption,
  shared,
  sourceCacheOption,
} from './image-options.ts';

const actions = () => import('../actions/image-look.ts');

/** The commands that look at disks, and the one that times them. */
export function addImageLookCommands(image: Command, setStatus: (status: number) => void): void {
  image
    .command('map')
    .summary('what of a disk is data, and in which image of its chain and where that lies')
    .argument('<DISK>', 'a file or a URI')
    .addOption(formatOption())
    .addOption(imageOptsOption())
    .option('-s, --start-offset <OFFSET>', 'from there on', sizeArgument, 0)
    .option('-l, --max-length <LENGTH>', 'no more than that', sizeArgument)
    .addOption(outputOption())
    .option('--json', 'as --output json')
    .option(...shared)
    .addHelpText('after', '\nExamples:\n  ashlar image map --output json disk.qcow2')
    .action(later(actions, ({ map }) => map));
  image
    .command('compare')
    .summary('whether two disks have the same contents')
    .argument('<DISK1>', 'a file or a URI')
    .argument('<DISK2>', 'another one')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the first'))
    .addOption(formatOption('-F, --second-format <FORMAT>', 'of the second'))
    .addOption(imageOptsOption())
    .option('-s, --strict', 'and the same sizes and holes')
    .addOption(sourceCacheOption())
    .option('-p, --progress', 'print how far it is')
    .option('-q, --quiet', 'print nothing')
    .option(...shared)
    .addHelpText(
      'after',
      [
        '',
        'Status 0: they are the same; 1: they differ; 2: one of them cannot be opened; 3: what is where in it cannot be told; 4: it cannot be read.',
        'Of two sizes the larger one has zeros in the rest, where they are the same.',
        '',
        'Examples:',
        '  ashlar image compare disk.raw disk.qcow2',
      ].join('\n'),
    )
    .action(
      later(
        actions,
        ({ compare }) =>
          async (...given: Parameters<typeof compare>) =>
            setStatus(await compare(...given)),
      ),
    );
  image
    .command('measure')
    .summary('how large a new image would be')
    .argument('[DISK]', 'what would be in it; or --size')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the disk'))
    .addOption(imageOptsOption())
    .addOption(formatOption('-O, --output-format <FORMAT>', 'of the image').default('raw'))
    .option('-o, --options <LIST>', "NAME=VALUE,…: as of 'image create'", collect(String))
    .option('-l, --snapshot <SNAPSHOT>', 'a snapshot in the image, by its id or name')
    .option('--size <SIZE>', 'of an image in which nothing is', sizeArgument)
    .addOption(outputOption())
    .option('--json', 'as --output json')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar image measure -O qcow2 disk.raw\n  ashlar image measure -O qcow2 --size 10G',
    )
    .action(later(actions, ({ measure }) => measure));
  addBench(image);
}

function addBench(image: Command): void {
  image
    .command('bench')
    .summary('time requests in a row, as qemu-img does')
    .argument('<DISK>', 'a file or a URI')
    .addOption(formatOption('-f, --format <FORMAT>', 'of the disk'))
    .addOption(imageOptsOption())
    .option('-c, --count <COUNT>', 'requests', numberArgument(1, 2 ** 31 - 1), 75_000)
    .option('-d, --depth <DEPTH>', 'under way at once', numberArgument(1, 65_536), 64)
    .option('-s, --buffer-size <SIZE>', 'of each', sizeArgument, 4096)
    .option('-S, --step-size <SIZE>', 'from one to the next; as large as each by default', sizeArgument)
    .option('-o, --offset <OFFSET>', 'of the first', sizeArgument, 0)
    .option('-w, --write', 'write, over what is there')
    .option('--pattern <BYTE>', 'what is written', numberArgument(0, 255), 0)
    .option('--flush-interval <COUNT>', 'a flush after so many writes', numberArgument(1, 2 ** 31 - 1), 0)
    .option('--no-drain', 'requests go on while a flush does')
    .option('-i, --aio <HOW>', 'nothing comes of it')
    .option('-n, --native', 'nothing comes of it')
    .addOption(cacheOption())
    .option('-q, --quiet', 'print nothing')
    .option(...shared)
    .addHelpText('after', '\nExamples:\n  ashlar image bench -c 10000 -d 16 disk.raw')
    .action(
      later(
        () => import('../actions/image-bench.ts'),
        ({ bench }) => bench,
      ),
    );
}
