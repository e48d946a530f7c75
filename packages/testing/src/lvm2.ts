import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a test gives to be tidied up after. */
type Test = { teardown(tidy: () => void): void };

/** Real lvm2 on loop devices of a test's own, over sparse files; it sees no other devices. Needs root. */
export type Lvm2 = {
  readonly directory: string;
  /** The files, and the loop devices over them. */
  readonly images: readonly string[];
  readonly devices: readonly string[];
  /** Runs `lvm COMMAND …` and gives what it prints, in the words that it has where device-mapper is. Throws where it fails. */
  run(command: string, ...words: readonly string[]): string;
};

/** Without device-mapper lvm2 knows no volume's state, and says so where it would say that it is not in use. */
function asWithMapper(text: string): string {
  return text
    .replaceAll(/\b([a-zA-Z-][wrR][a-z-][m-])XX([a-z-][z-])X/g, '$1--$2-')
    .replaceAll(/([wrR][a-z-][m-])XX/g, '$1--');
}

export function lvm2On(t: Test, sizesBytes: readonly number[]): Lvm2 {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-lvm-'));
  const devices: string[] = [];
  t.teardown(() => {
    for (const device of devices) execFileSync('losetup', ['--detach', device]);
    rmSync(directory, { recursive: true });
  });
  const images = sizesBytes.map((size, at) => {
    const path = join(directory, `pv${at}.img`);
    writeFileSync(path, '');
    truncateSync(path, size);
    devices.push(execFileSync('losetup', ['--find', '--show', path], { encoding: 'utf8' }).trim());
    return path;
  });
  mkdirSync(join(directory, 'locks'));
  const accepted = devices.map((device) => `"a|^${device}$|"`).join(',');
  const config = [
    `devices { use_devicesfile=0 filter=[${accepted},"r|.*|"] multipath_component_detection=0 obtain_device_list_from_udev=0 }`,
    `global { use_lvmpolld=0 locking_dir="${directory}/locks" event_activation=0 }`,
    'activation { monitoring=0 udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }',
  ].join(' ');
  const env = { ...process.env, LVM_SUPPRESS_FD_WARNINGS: '1', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const run = (command: string, ...words: readonly string[]): string =>
    asWithMapper(
      execFileSync('lvm', [command, '--driverloaded', 'n', '--config', config, ...words], {
        encoding: 'utf8',
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  return { directory, images, devices, run };
}

const uuid = (number: number): string => `${String(number).padStart(6, '0')}-aaaa-bbbb-cccc-dddd-eeee-ffffff`;

/** Makes on three devices of 100, 300 and 300 MiB a group `vg0` that has a logical volume of every kind there is. */
export function everyKind({ devices, directory, run }: Lvm2): void {
  const create = (...words: readonly string[]): string => run('lvcreate', '-an', '-Zn', '-Wn', 'vg0', ...words);
  run('vgcreate', 'vg0', ...devices);
  create('-n', 'l1', '-l', '5', devices[0]!);
  create('-n', 'l2', '-i', '2', '-I', '64k', '-l', '10', devices[0]!, devices[1]!);
  create('-n', 'tagged', '--addtag', 'foo', '--addtag', 'bar', '-pr', '-C', 'y', '-l', '1', devices[0]!);
  const backup = join(directory, 'vg0.txt');
  run('vgcfgbackup', '-f', backup, 'vg0');
  const text = execFileSync('cat', [backup], { encoding: 'utf8' }).trimEnd();
  const end = text.lastIndexOf('}', text.lastIndexOf('}') - 1);
  writeFileSync(backup, `${text.slice(0, end)}${restOfEveryKind()}${text.slice(end)}\n`);
  run('vgcfgrestore', '--force', '--yes', '-f', backup, 'vg0');
}

/** What lvm2 makes only with the kernel's help, as it writes it. */
function restOfEveryKind(): string {
  let number = 0;
  const volume = (name: string, extents: number, segment: string, { hidden = false, flags = '' } = {}): string => {
    number += 1;
    return `${name} {
      id = "${uuid(number)}"
      status = ["READ", "WRITE"${hidden ? '' : ', "VISIBLE"'}]
      flags = [${flags}]
      creation_time = 1795745907
      creation_host = "host"
      segment_count = 1
      segment1 {
        start_extent = 0
        extent_count = ${extents}
        ${segment}
      }
    }
    `;
  };
  const linear = (name: string, pv: string, start: number, extents: number, hidden = true): string =>
    volume(name, extents, `type = "striped"\nstripe_count = 1\nstripes = ["${pv}", ${start}]`, { hidden });
  return [
    volume(
      'r1',
      3,
      'type = "raid1"\ndevice_count = 2\nregion_size = 4096\nraids = ["r1_rmeta_0", "r1_rimage_0", "r1_rmeta_1", "r1_rimage_1"]',
    ),
    volume(
      'm1',
      3,
      'type = "mirror"\nmirror_count = 2\nmirror_log = "m1_mlog"\nregion_size = 4096\nmirrors = ["m1_mimage_0", 0, "m1_mimage_1", 0]',
    ),
    volume(
      'tp',
      5,
      'type = "thin-pool"\nmetadata = "tp_tmeta"\npool = "tp_tdata"\ntransaction_id = 1\nchunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 1',
    ),
    volume('t1', 13, 'type = "thin"\nthin_pool = "tp"\ntransaction_id = 0\ndevice_id = 1'),
    volume('t2', 13, 'type = "thin"\nthin_pool = "tp"\ntransaction_id = 0\ndevice_id = 2\norigin = "t1"', {
      flags: '"ACTIVATION_SKIP"',
    }),
    linear('s1', 'pv0', 14, 2, false),
    volume('snapshot0', 5, 'type = "snapshot"\nchunk_size = 8\norigin = "l1"\ncow_store = "s1"'),
    linear('r1_rmeta_0', 'pv1', 5, 1),
    linear('r1_rimage_0', 'pv1', 6, 3),
    linear('r1_rmeta_1', 'pv2', 0, 1),
    linear('r1_rimage_1', 'pv2', 1, 3),
    linear('m1_mlog', 'pv0', 11, 1),
    linear('m1_mimage_0', 'pv1', 9, 3),
    linear('m1_mimage_1', 'pv2', 4, 3),
    linear('tp_tmeta', 'pv0', 12, 1),
    linear('tp_tdata', 'pv1', 12, 5),
    linear('lvol0_pmspare', 'pv0', 13, 1),
  ].join('');
}
