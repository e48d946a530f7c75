import { exportProtocols } from '@ashlar/volume/protocols';
import { Option, type Command } from 'commander';
import { collect, later, numberArgument, withServer } from '../options.ts';
import { snippetFormats } from '../snippet-formats.ts';

const actions = () => import('../actions/export.ts');

const idArgument = numberArgument(0, 0xffff_ffff);

/** Who may mount a file volume, and by which rules. */
const withRules = (command: Command): Command =>
  command
    .option('--async', 'over NFS: what changes names and attributes is answered before it is durable')
    .option('--secure', 'over NFS: only from ports below 1024')
    .addOption(
      new Option('--squash <WHO>', "over NFS: whose requests are nobody's (default: none)").choices([
        'none',
        'root',
        'all',
      ]),
    )
    .option('--anonuid <UID>', 'over NFS: who nobody is (default: 65534)', idArgument)
    .option('--anongid <GID>', 'over NFS: the group of nobody (default: 65534)', idArgument)
    .option('--acl', 'over NFS: clients see and set access control lists (the default)')
    .option('--no-acl', 'over NFS: they are told of none')
    .option(
      '--clients <CLIENTS>',
      "over NFS: clients with rules of their own, as a line of exports(5) has them: '10.0.0.0/8(rw) *(ro)'",
    );

export function addExportCommands(program: Command): void {
  const exports = program
    .command('export')
    .summary('offer volumes and files under names, and print what attaches them');
  withRules(withServer(exports.command('add <NAME> <SOURCE>')))
    .summary(
      'offer a disk or file volume, a raw file (file: URI), a qcow2 image (qcow2:), a device (dev:), a logical volume (lvm:) or a directory (dir:), under a name',
    )
    .option('--read-only', 'refuse every change')
    .option('--resizable', "let clients change the volume's size")
    .option(
      '--allow <CIDR>',
      'addresses that may attach over TCP; may be given several times',
      collect((text) => text),
    )
    .addOption(
      new Option(
        '--over <PROTOCOL>',
        'protocol it is offered over (default: nbd for disks, nfs for file volumes and directories)',
      ).choices([...exportProtocols]),
    )
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  ashlar export add home-ro home --read-only --squash all --allow 10.0.0.0/8',
        '  ashlar export add srv dir:///srv/home --over nfs',
        "  ashlar export add homes home --clients '10.0.0.0/8(rw,no_root_squash) *(ro)'",
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
  withRules(withServer(exports.command('set <NAME>')))
    .summary('change who may use an export, and by which rules; its clients stay')
    .addOption(new Option('--read-only', 'refuse every change').conflicts('readWrite'))
    .option('--read-write', 'take changes')
    .option('--resizable', "let clients change the volume's size")
    .option('--no-resizable', 'do not')
    .addOption(
      new Option('--allow <CIDR>', 'all addresses that may attach; may be given several times')
        .argParser(collect((text) => text))
        .conflicts('allowAll'),
    )
    .option('--allow-all', 'whoever may connect may attach')
    .addOption(new Option('--sync', 'over NFS: not --async').conflicts('async'))
    .addOption(new Option('--insecure', 'over NFS: not --secure').conflicts('secure'))
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  ashlar export set home --squash root --allow 10.0.0.0/8 --allow 192.168.1.7',
        "  ashlar export set home --clients 'vm1(rw,no_root_squash) *.example.org(ro)'",
        "  ashlar export set home --clients '' --read-only",
      ].join('\n'),
    )
    .action(later(actions, ({ set }) => set));
  withServer(exports.command('ls').alias('list'))
    .summary('list exports')
    .action(later(actions, ({ list }) => list));
  withServer(exports.command('show <NAME>'))
    .summary('show one export, or the ready lines that attach it')
    .addOption(new Option('--format <FORMAT>', 'print what attaches it').choices(snippetFormats))
    .option('--unix', 'attach by the Unix socket')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar export show demo --format qemu\n  ashlar export show demo --format libvirt --unix\n  ashlar export show home --format mount',
    )
    .action(later(actions, ({ showOne }) => showOne));
  withServer(exports.command('rm <NAME...>').alias('remove'))
    .summary('take exports back; what is behind them stays')
    .option('--force', 'also while clients are attached: their connections end')
    .action(later(actions, ({ remove }) => remove));
}
