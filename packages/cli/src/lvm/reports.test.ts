import { MiB, GiB } from '@ashlar/core';
import { everyKind, lvm2On, testAsRoot, type Lvm2 } from '@ashlar/testing';
import test from 'ava';
import { run } from '../hosted.ts';

const withLvm = testAsRoot(test, 'lvm', 'losetup');

const ours = async (lvm: Lvm2, command: string, ...words: readonly string[]): Promise<string> => {
  const { errors, out, status } = await run([
    'lvm',
    command,
    ...lvm.devices.flatMap((each) => ['--devices', each]),
    ...words,
  ]);
  if (status !== 0) throw new Error(errors);
  // Without device-mapper lvm2 leaves the line out.
  return out.replaceAll(/^ {2}LV Status {14}NOT available\n/gm, '');
};

const reports = [
  'pvs',
  'vgs',
  'lvs',
  'lvs -a',
  'lvs --segments',
  'lvs -a -o lv_name,lv_layout,lv_role,lv_parent,lv_path,lv_dm_path,lv_full_name,lv_uuid,pool_lv_uuid,origin_uuid',
  'lvs -a -o +origin_size,lv_metadata_size,data_lv,metadata_lv,lv_when_full,lv_time,lv_host,lv_tags,seg_count,lv_read_ahead',
  'lvs -a -o+devices,metadata_devices,stripes,stripe_size,region_size,chunk_size,segtype,transaction_id,thin_id',
  'lvs -a -o lv_name,seg_start,seg_start_pe,seg_size,seg_size_pe,seg_tags,seg_pe_ranges,seg_le_ranges',
  'lvs -o lv_allocation_policy,lv_fixed_minor,lv_skip_activation,vg_name,vg_free -O -lv_size,lv_name',
  'lvs --separator ,',
  'lvs --separator | --aligned --noheadings',
  'lvs -a --reportformat json',
  'vgs --reportformat json --units b -o+vg_uuid,vg_tags',
  'vgs -o vg_all',
  'vgs --units 3m',
  'vgs --units G --nosuffix',
  'pvs --units s',
  'pvs --units k --nosuffix --noheadings',
  'pvs --units H -o +dev_size,pv_used,pe_start,pv_pe_count,pv_pe_alloc_count,pv_tags,pv_uuid,pv_mda_size,pv_in_use,pv_exported',
  'pvs --reportformat json',
  'pvdisplay',
  'pvdisplay -m',
  'pvdisplay -s',
  'vgdisplay',
  'vgdisplay -s',
  'vgdisplay --units K',
  'vgdisplay --units b',
  'lvdisplay',
  'lvdisplay -a',
  'lvdisplay -m',
];

withLvm('whatever lvm2 shows of volumes of every kind is shown the same', async (t) => {
  const lvm = lvm2On(t, [100 * MiB, 300 * MiB, 300 * MiB]);
  everyKind(lvm);
  for (const words of reports) {
    const [command = '', ...rest] = words.split(' ');
    t.is(await ours(lvm, command, ...rest), lvm.run(command, ...rest), words);
  }
  t.is(await ours(lvm, 'lvdisplay', 'vg0/l2'), lvm.run('lvdisplay', 'vg0/l2'));
  t.is(await ours(lvm, 'vgck', 'vg0'), lvm.run('vgck', 'vg0'));
});

withLvm("the walk-through's volume groups have its figures", async (t) => {
  const lvm = lvm2On(t, [26 * GiB, 154_200 * 4 * MiB, 50 * MiB]);
  const [first = '', second = '', third = ''] = lvm.devices;
  lvm.run('vgcreate', 'volumes', first);
  for (const [name, extents] of [
    ['a', '2500'],
    ['b', '1250'],
    ['c', '250'],
    ['d', '1250'],
  ] as const)
    lvm.run('lvcreate', '-an', '-Zn', '-Wn', '-n', name, '-l', extents, 'volumes');
  lvm.run('vgcreate', 'cinder-volumes', second);
  lvm.run('lvcreate', '-an', '-Zn', '-Wn', '-n', 'v', '-l', '6656', 'cinder-volumes');
  lvm.run('lvcreate', '-an', '-Zn', '-Wn', '-n', 'w', '-l', '1024', 'cinder-volumes');
  lvm.run('pvcreate', third);
  for (const command of ['pvs', 'vgs', 'lvs', 'pvdisplay', 'vgdisplay', 'lvdisplay'])
    t.is(await ours(lvm, command), lvm.run(command), command);
  const all = `${await ours(lvm, 'pvdisplay')}${await ours(lvm, 'vgdisplay')}${await ours(lvm, 'lvdisplay')}`;
  for (const figure of [
    'Total PE              6655',
    'Alloc PE / Size       5250 / <20.51 GiB',
    'Free  PE / Size       1405 / <5.49 GiB',
    'VG Size               <26.00 GiB',
    'LV Size                <9.77 GiB',
    'LV Size                4.88 GiB',
    'LV Size                1000.00 MiB',
    'PV Size               26.00 GiB / not usable 4.00 MiB',
    'Total PE              154199',
    'PV Size               602.34 GiB / not usable 4.00 MiB',
    'Alloc PE / Size       7680 / 30.00 GiB',
    'Free  PE / Size       146519 / <572.34 GiB',
    'LV Size                26.00 GiB',
  ])
    t.true(all.includes(`  ${figure}\n`), figure);
});
