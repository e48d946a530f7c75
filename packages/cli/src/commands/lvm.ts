import { Option, type Command } from 'commander';
import { parseExtents, parseLvmSize, parseSizeGiven } from '../lvm/sizes.ts';
import { parseUnits } from '../lvm/units.ts';
import { argument, collect, later, numberArgument } from '../options.ts';

const actions = () => import('../actions/lvm.ts');
const reports = () => import('../actions/lvm-reports.ts');

const paths = collect((text) => text);
const unitsArgument = argument(parseUnits);
const sizeArgument = argument(parseLvmSize);
const sizeGivenArgument = argument(parseSizeGiven);
const extentsArgument = argument(parseExtents);
const stripeArgument = argument((text) => parseLvmSize(/\d$/.test(text) ? `${text}k` : text));

function withDevices(command: Command): Command {
  return command.option('--devices <PATH>', 'a device or image to look at; several times for several', paths);
}

function withUnits(command: Command): Command {
  return command.addOption(
    new Option('--units <UNITS>', 'of sizes: r (default), h, b, s, k, m, g, t, p, e').argParser(unitsArgument),
  );
}

function withReport(command: Command): Command {
  return withUnits(withDevices(command))
    .option(
      '-o, --options <FIELDS>',
      'columns, by the names that LVM has; + adds to those there are, - takes away',
      paths,
    )
    .option('-O, --sort <FIELDS>', 'by what lines are sorted; - for the other direction')
    .option('--nosuffix', 'sizes without their unit')
    .option('--noheadings', 'without the line of names')
    .option('--separator <TEXT>', 'stands between columns, which are not aligned then')
    .option('--aligned', 'aligned all the same')
    .addOption(
      new Option('--reportformat <FORMAT>', 'for people, or for programs').choices(['basic', 'json']).default('basic'),
    );
}

function addReports(lvm: Command): void {
  withReport(lvm.command('pvs').summary('physical volumes, a line each').argument('[PV...]', 'only these')).action(
    later(reports, ({ pvs }) => pvs),
  );
  withReport(lvm.command('vgs').summary('volume groups, a line each').argument('[VG...]', 'only these')).action(
    later(reports, ({ vgs }) => vgs),
  );
  withReport(
    lvm.command('lvs').summary('logical volumes, a line each').argument('[NAME...]', 'VG or VG/LV: only these'),
  )
    .option('-a, --all', 'those that LVM keeps to itself as well')
    .option('--segments', 'a line for each segment')
    .action(later(reports, ({ lvs }) => lvs));
}

function addDisplays(lvm: Command): void {
  withUnits(withDevices(lvm.command('pvdisplay').summary('physical volumes in full').argument('[PV...]', 'only these')))
    .option('-m, --maps', 'and what lies where on them')
    .option('-s, --short', 'only how much is free')
    .action(later(reports, ({ pvdisplay }) => pvdisplay));
  withUnits(withDevices(lvm.command('vgdisplay').summary('volume groups in full').argument('[VG...]', 'only these')))
    .option('-s, --short', 'only sizes')
    .action(later(reports, ({ vgdisplay }) => vgdisplay));
  withUnits(
    withDevices(
      lvm.command('lvdisplay').summary('logical volumes in full').argument('[NAME...]', 'VG or VG/LV: only these'),
    ),
  )
    .option('-m, --maps', 'and where they lie')
    .option('-a, --all', 'those that LVM keeps to itself as well')
    .action(later(reports, ({ lvdisplay }) => lvdisplay));
  withDevices(lvm.command('vgck').summary('whether the metadata is whole').argument('[VG...]', 'only these')).action(
    later(reports, ({ vgck }) => vgck),
  );
}

function addPhysicalCommands(lvm: Command): void {
  lvm
    .command('pvcreate')
    .summary('make physical volumes of devices or images')
    .argument('<PV...>', 'the devices')
    .option('-y, --yes', 'also over what somebody else has there')
    .action(later(actions, ({ pvcreate }) => pvcreate));
  lvm
    .command('pvremove')
    .summary('take the label from physical volumes of no group')
    .argument('<PV...>', 'the devices')
    .action(later(actions, ({ pvremove }) => pvremove));
}

function addGroupCommands(lvm: Command): void {
  withDevices(lvm.command('vgcreate').summary('make a volume group of devices'))
    .argument('<VG>', 'its name')
    .argument('<PV...>', 'its devices, which become physical volumes where they are none')
    .addOption(
      new Option('-s, --physicalextentsize <SIZE>', 'of its extents')
        .argParser(sizeArgument)
        .default(4 * 1024 ** 2, '4m'),
    )
    .addOption(
      new Option('-l, --maxlogicalvolumes <COUNT>', '0: as many as you like')
        .argParser(numberArgument(0, 255))
        .default(0),
    )
    .addOption(
      new Option('-p, --maxphysicalvolumes <COUNT>', '0: as many as you like')
        .argParser(numberArgument(0, 255))
        .default(0),
    )
    .option('--addtag <TAG>', 'a tag of it; several times for several', paths)
    .option('-y, --yes', 'also over what somebody else has on the devices')
    .action(later(actions, ({ vgcreate }) => vgcreate));
  withDevices(lvm.command('vgextend').summary('give a volume group more devices'))
    .argument('<VG>', 'its name')
    .argument('<PV...>', 'the devices that join it; those that it has are named by --devices')
    .option('-y, --yes', 'also over what somebody else has on the devices')
    .action(later(actions, ({ vgextend }) => vgextend));
}

function withSize(command: Command): Command {
  return command
    .addOption(new Option('-L, --size <SIZE>', 'such as 10G; without a unit MiB').argParser(sizeGivenArgument))
    .addOption(new Option('-l, --extents <COUNT>', 'extents, or such as 100%FREE, 50%VG').argParser(extentsArgument));
}

function addLogicalCommands(lvm: Command): void {
  const yesOrNo = (flags: string, text: string, usual: string): Option =>
    new Option(flags, text).choices(['y', 'n']).default(usual);
  withSize(withDevices(lvm.command('lvcreate').summary('make a logical volume, linear or striped')))
    .argument('<VG>', 'of which group')
    .argument('[PV...]', 'the devices that it lies on; else any of the group')
    .option('-n, --name <NAME>', 'its name; else lvol0 and on')
    .addOption(new Option('-i, --stripes <COUNT>', 'how many').argParser(numberArgument(1, 128)).default(1))
    .addOption(new Option('-I, --stripesize <SIZE>', 'of a stripe; without a unit KiB').argParser(stripeArgument))
    .option('--addtag <TAG>', 'a tag of it; several times for several', paths)
    .addOption(new Option('-p, --permission <HOW>', 'read and write, or read').choices(['r', 'rw']).default('rw'))
    .addOption(yesOrNo('-C, --contiguous <y|n>', 'in one run', 'n'))
    .addOption(yesOrNo('-Z, --zero <y|n>', 'its first 4 KiB become zeros', 'y'))
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar lvm lvcreate -n data -L 10G --devices disk.img vg0\n  ashlar lvm lvcreate -n all -l 100%FREE -i 2 --devices a.img --devices b.img vg0',
    )
    .action(later(actions, ({ lvcreate }) => lvcreate));
  withDevices(lvm.command('lvremove').summary('remove logical volumes'))
    .argument('<NAME...>', 'VG/LV, or VG for all that it has')
    .option('-y, --yes', 'as lvm2 has it; nothing is asked')
    .option('-f, --force', 'the same')
    .action(later(actions, ({ lvremove }) => lvremove));
  withSize(withDevices(lvm.command('lvextend').summary('make a logical volume larger')))
    .argument('<NAME>', 'VG/LV')
    .argument('[PV...]', 'the devices that it grows on; else any of the group')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar lvm lvextend -L +10G --devices disk.img vg0/data\n  ashlar lvm lvextend -l +100%FREE --devices disk.img vg0/data',
    )
    .action(later(actions, ({ lvextend }) => lvextend));
  withDevices(lvm.command('lvrename').summary('give a logical volume another name'))
    .argument('<FROM>', 'VG/LV, or the group and then its name')
    .argument('<NAME>', 'the new name, or the one it has')
    .argument('[NEW]', 'then the new one')
    .action(later(actions, ({ lvrename }) => lvrename));
}

export function addLvmCommands(program: Command): void {
  const lvm = program.command('lvm').summary("LVM's volumes on devices and images, without the kernel's help");
  addReports(lvm);
  addDisplays(lvm);
  addPhysicalCommands(lvm);
  addGroupCommands(lvm);
  addLogicalCommands(lvm);
}
