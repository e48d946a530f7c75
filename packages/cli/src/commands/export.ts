import { Option, type Command } from 'commander';
import { collect, later, withServer } from '../options.ts';
import { snippetFormats } from '../snippet-formats.ts';

const actions = () => import('../actions/export.ts');

export function addExportCommands(program: Command): void {
  const exports = program
    .command('export')
    .summary('offer volumes and files under names, and print what attaches them');
  withServer(exports.command('add <NAME> <SOURCE>'))
    .summary(
      'offer a volume, a raw file (file: URI), a qcow2 image (qcow2:), a device (dev:) or a logical volume (lvm:), under a name',
    )
    .option('--read-only', 'refuse every change')
    .option('--resizable', "let clients change the volume's size")
    .option(
      '--allow <CIDR>',
      'addresses that may attach over TCP; may be given several times',
      collect((text) => text),
    )
    .addOption(new Option('--over <PROTOCOL>', 'protocol it is offered over').choices(['nbd']).default('nbd'))
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  ashlar export add demo-ro demo --read-only',
        '  ashlar export add iso file:///srv/debian.iso --read-only --allow 10.0.0.0/8',
        '  ashlar export add golden qcow2:///srv/golden.qcow2 --read-only',
        '  ashlar export add guest qcow2:///srv/guest.qcow2',
        "  ashlar export add chained 'qcow2:///srv/top.qcow2?follow=on' --read-only",
        '  ashlar export add disk dev:///dev/sdb',
        "  ashlar export add data 'lvm:///dev/sdb?vg=vg0&lv=data'",
        "  ashlar export add root 'file:///srv/debian.raw?partition=1' --read-only",
      ].join('\n'),
    )
    .action(later(actions, ({ add }) => add));
  withServer(exports.command('ls').alias('list'))
    .summary('list exports')
    .action(later(actions, ({ list }) => list));
  withServer(exports.command('show <NAME>'))
    .summary('show one export, or the ready lines that attach it')
    .addOption(new Option('--format <FORMAT>', 'print what attaches it').choices(snippetFormats))
    .option('--unix', 'attach by the Unix socket')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar export show demo --format qemu\n  ashlar export show demo --format libvirt --unix',
    )
    .action(later(actions, ({ showOne }) => showOne));
  withServer(exports.command('rm <NAME...>').alias('remove'))
    .summary('take exports back; what is behind them stays')
    .option('--force', 'also while clients are attached: their connections end')
    .action(later(actions, ({ remove }) => remove));
}
