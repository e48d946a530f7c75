import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GiB, MiB } from '@ashlar/core';
import { everyKind, lvm2On, testAsRoot, type Lvm2 } from '@ashlar/testing';
import test from 'ava';
import { bin, directory } from '../command.ts';
import { run } from '../hosted.ts';

const withLvm = testAsRoot(test, 'lvm', 'losetup');

const ashlar = async (...words: readonly string[]): Promise<string> => {
  const { errors, out, status } = await run(['lvm', ...words]);
  if (status !== 0) throw new Error(errors);
  return out;
};

/** `pvck`, `vgck` and the reports of lvm2 find nothing wrong, and ours the same figures. */
async function accepted(t: { is(one: unknown, other: unknown, what?: string): void }, lvm: Lvm2): Promise<void> {
  const devices = lvm.devices.flatMap((each) => ['--devices', each]);
  for (const device of lvm.devices) lvm.run('pvck', device);
  lvm.run('vgck');
  for (const [command, ...words] of [
    ['vgs', '-o', 'vg_all'],
    ['pvs', '-o+pv_uuid'],
    ['lvs', '-a', '-o+devices,lv_uuid,lv_time,lv_tags'],
  ] as const)
    t.is(
      await ashlar(command, ...devices, '--reportformat', 'json', ...words),
      lvm.run(command, '--reportformat', 'json', ...words),
    );
  t.is(await ashlar('pvdisplay', '-m', ...devices), lvm.run('pvdisplay', '-m'));
}

withLvm('what we make, lvm2 accepts, changes, and we change again', async (t) => {
  const lvm = lvm2On(t, [26 * GiB, 200 * MiB, 100 * MiB]);
  const [first = '', second = '', third = ''] = lvm.devices;
  const all = lvm.devices.flatMap((each) => ['--devices', each]);
  t.is(await ashlar('pvcreate', first), `  Physical volume "${first}" successfully created.\n`);
  await ashlar('vgcreate', 'vg', '--addtag', 'ours', first);
  for (const [name, ...size] of [
    ['a', '-l', '2500'],
    ['b', '-l', '1250'],
    ['c', '-L', '1000M'],
  ] as const)
    await ashlar('lvcreate', '-n', name, ...size, '--devices', first, 'vg');
  t.is(
    await ashlar('vgextend', '--devices', first, 'vg', second, third),
    `  Physical volume "${second}" successfully created.\n  Physical volume "${third}" successfully created.\n  Volume group "vg" successfully extended\n`,
  );
  await ashlar(
    'lvcreate',
    ...all,
    '-i',
    '2',
    '-I',
    '16',
    '-n',
    's',
    '-L',
    '40M',
    '-p',
    'r',
    '--addtag',
    'x',
    'vg',
    second,
    third,
  );
  await accepted(t, lvm);
  lvm.run('lvextend', '-l', '+3', 'vg/a');
  lvm.run('lvcreate', '-an', '-Zn', '-Wn', '-n', 'theirs', '-l', '5', 'vg');
  t.is(
    await ashlar('lvextend', ...all, '-L', '+9M', 'vg/theirs'),
    [
      '  Rounding size to boundary between physical extents: 12.00 MiB.',
      '  Size of logical volume vg/theirs changed from 20.00 MiB (5 extents) to 32.00 MiB (8 extents).',
      '  Logical volume vg/theirs successfully resized.',
      '',
    ].join('\n'),
  );
  await ashlar('lvextend', ...all, '-l', '+4', 'vg/s');
  t.is(await ashlar('lvrename', ...all, 'vg', 'b', 'bb'), '  Renamed "b" to "bb" in volume group "vg"\n');
  t.is(await ashlar('lvremove', ...all, 'vg/c'), '  Logical volume "c" successfully removed.\n');
  await ashlar('lvcreate', ...all, '-n', 'rest', '-l', '100%FREE', 'vg');
  await accepted(t, lvm);
  lvm.run('lvremove', 'vg/rest', 'vg/theirs');
  lvm.run('lvrename', 'vg', 'bb', 'b');
  await accepted(t, lvm);
});

withLvm('a group with volumes of every kind gets plain ones besides, and the others stay as they are', async (t) => {
  const lvm = lvm2On(t, [100 * MiB, 300 * MiB, 300 * MiB]);
  everyKind(lvm);
  const all = lvm.devices.flatMap((each) => ['--devices', each]);
  const before = lvm.run('lvs', '-a', '-o+devices,lv_uuid,lv_tags', 'vg0');
  await ashlar('lvcreate', ...all, '-n', 'new', '-i', '3', '-l', '12', 'vg0');
  await accepted(t, lvm);
  for (const [name, why] of [
    ['l1', /is made of it, or is a snapshot of it/],
    ['t1', /is made of it/],
    ['t2', /of the type thin/],
    ['r1', /of the type raid1/],
    ['tp_tdata', /is made of it/],
    ['s1', /is made of it/],
  ] as const) {
    const { errors, status } = await run(['lvm', 'lvremove', ...all, `vg0/${name}`]);
    t.is(status, 1);
    t.regex(errors, why, name);
  }
  await ashlar('lvremove', ...all, 'vg0/new');
  t.is(lvm.run('lvs', '-a', '-o+devices,lv_uuid,lv_tags', 'vg0'), before);
});

withLvm("lvm2's own words are said where something cannot be", async (t) => {
  const lvm = lvm2On(t, [100 * MiB, 100 * MiB]);
  const [first = '', second = ''] = lvm.devices;
  lvm.run('vgcreate', 'vg', first);
  lvm.run('lvcreate', '-an', '-Zn', '-Wn', '-n', 'a', '-l', '3', 'vg');
  for (const words of [
    ['pvcreate', first],
    ['lvcreate', '-an', '-n', 'b', '-l', '1000', 'vg'],
    ['lvcreate', '-an', '-n', 'a', '-l', '1', 'vg'],
    ['lvextend', '-l', '2', 'vg/a'],
    ['lvremove', 'vg/none'],
    ['vgs', 'none'],
    ['vgcreate', 'vg', second],
    ['pvdisplay', second],
  ] as const) {
    const theirs = t.throws(() => lvm.run(words[0], ...words.slice(1)))!.message;
    const devices = words[0].startsWith('pv') ? [] : ['--devices', first];
    const { errors, status } = await run([
      'lvm',
      words[0],
      ...devices,
      ...words.slice(1).filter((word) => word !== '-an'),
    ]);
    t.is(status, 1);
    const sentence = errors.replace(/^ashlar: /, '').trim();
    t.true(theirs.includes(sentence), `${sentence}\n${theirs}`);
  }
});

withLvm('a device that is locked, mounted, attached elsewhere or has something else on it is left alone', async (t) => {
  const lvm = lvm2On(t, [100 * MiB, 100 * MiB]);
  const [first = '', second = ''] = lvm.devices;
  lvm.run('vgcreate', 'vg_of_a_lock_test', first);
  const refused = async (why: RegExp, ...words: readonly string[]): Promise<void> => {
    const { errors, status } = await run(['lvm', ...words]);
    t.is(status, 1, errors);
    t.regex(errors, why);
  };
  const create = ['lvcreate', '-l', '1', 'vg_of_a_lock_test'];
  await refused(/is attached to \/dev\/loop\d+: name that, or detach it first/, ...create, '--devices', lvm.images[0]!);
  const lock = '/run/lock/lvm/V_vg_of_a_lock_test';
  const underLock = 'mkdir -p /run/lock/lvm; flock -n "$1" sh -c \'shift; "$@" 2>&1 || true\' sh "$@"';
  const commandLine = [process.execPath, bin, 'lvm', ...create, '--devices', first];
  const held = execFileSync('sh', ['-ec', underLock, 'sh', lock, ...commandLine], { encoding: 'utf8' });
  t.regex(held, /Can't get lock for vg_of_a_lock_test/);
  execFileSync('mkfs.ext4', ['-q', second]);
  await refused(/has an ext file system: say --yes to lose it/, 'pvcreate', second);
  // In a name space of its own, so that no other's keeps the mount.
  const whileMounted = 'mkdir "$2"; mount "$1" "$2"; shift 2; "$@" 2>&1 || true; umount mount';
  const onMounted = [second, 'mount', process.execPath, bin, 'lvm', 'pvcreate', '--yes', second];
  const inNamespace = ['--mount', 'sh', '-ec', whileMounted, 'sh', ...onMounted];
  const said = execFileSync('unshare', inNamespace, { cwd: lvm.directory, encoding: 'utf8' });
  t.regex(said, /is in use: .*mounted/);
  t.is(await ashlar('pvcreate', '--yes', second), `  Physical volume "${second}" successfully created.\n`);
  await accepted(t, lvm);
});

test('files are made a group of and used without root, and damage is told', async (t) => {
  const cwd = directory(t);
  const paths = ['a.img', 'b.img'].map((name) => join(cwd, name));
  for (const path of paths) execFileSync('truncate', ['-s', '20M', path]);
  const devices = paths.flatMap((path) => ['--devices', path]);
  await ashlar('vgcreate', '-s', '1M', 'small', ...paths);
  await ashlar('lvcreate', '-l', '100%FREE', ...devices, 'small');
  t.is(await ashlar('vgs', ...devices, '--noheadings', '-o', 'vg_name,vg_size,vg_free'), '  small 38.00m    0 \n');
  t.is(await ashlar('vgck', ...devices), '');
  const file = openSync(paths[1]!, 'r+');
  writeSync(file, 'x', readFileSync(paths[1]!).lastIndexOf('seqno = 2'));
  closeSync(file);
  const { errors, status } = await run(['lvm', 'vgck', ...devices]);
  t.is(status, 1);
  t.regex(errors, /WARNING: the metadata of '.*b.img' does not match its checksum/);
  const refused = await run(['lvm', 'lvremove', 'small/lvol0', ...devices]);
  t.is(refused.status, 1);
  t.regex(refused.errors, /is not written: the metadata of .* does not match its checksum/);
  const missing = await run(['lvm', 'lvremove', 'small/lvol0', '--devices', paths[0]!]);
  t.is(missing.status, 1);
  t.regex(missing.errors, /is missing: name its device as well/);
  const usage = await run(['lvm', 'lvcreate', ...devices, 'small']);
  t.is(usage.status, 2);
});
