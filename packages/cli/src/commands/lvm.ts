import { Option, type Command } from 'commander';
import { parseUnits } from '../lvm/units.ts';
import { argument, collect, later } from '../options.ts';

const reports = () => import('../actions/lvm-reports.ts');

const paths = collect((text) => text);
const unitsArgument = argument(parseUnits);

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

export function addLvmCommands(program: Command): void {
  const lvm = program.command('lvm').summary("LVM's volumes on devices and images, without the kernel's help");
  addReports(lvm);
  addDisplays(lvm);
}
