import { join } from 'node:path';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { addExport } from './admin.ts';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { ashlar, root, serve, shell } from './served.ts';
import { madeOnce } from './shared.ts';

const lvm = `${process.execPath} ${join(root, 'packages/cli/bin/ashlar.js')} lvm`;

/** Two images with a group of a linear and a striped volume, and room besides. */
const group = madeOnce(test, (cwd) =>
  shell(
    `truncate -s 300M a.img b.img
    ${lvm} vgcreate vg a.img b.img
    ${lvm} lvcreate -n linear -L 8M --devices a.img --devices b.img vg
    ${lvm} lvcreate -n striped -i 2 -I 16 -L 16M --devices a.img --devices b.img vg`,
    { cwd },
  ),
);

const uriOf = (cwd: string, volume: string): string => `lvm://${cwd}/a.img?vg=vg&lv=${volume}&pv=${cwd}/b.img`;

testWithTools(
  test,
  'qemu-io',
  'nbdcopy',
)('a logical volume is served, read and written in its place', async (t) => {
  const cwd = await group(t);
  const data = join(cwd, 'data');
  const { kill, server } = await serve(t, data, '1M');
  for (const name of ['linear', 'striped']) {
    await addExport(data, name, uriOf(cwd, name));
    await shell(`qemu-io -f raw -c 'write -P 7 1M 3M' -c 'write -z 2M 64k' -c flush ${server}/${name}`, { cwd });
    await shell(
      `qemu-io -f raw -c 'read -P 7 1M 1M' -c 'read -P 0 2M 64k' -c 'read -P 7 2112k 64k' ${server}/${name}`,
      { cwd },
    );
  }
  await t.throwsAsync(ashlar(data, `export add none '${uriOf(cwd, 'none')}'`), {
    message: /Failed to find logical volume/,
  });
  await t.throwsAsync(ashlar(data, `export add odd 'lvm://${cwd}/a.img?vg=vg'`), { message: /cannot be exported/ });
  await kill();
  // Behind the first MiB: the linear volume's extents, then the striped one's, 16 KiB of it on each device in turn.
  const at = async (image: string, offset: number): Promise<string> =>
    (
      await shell(
        `dd if=${image} bs=4096 skip=${offset / 4096} count=1 status=none | od -An -tx1 | sort -u | head -1`,
        { cwd },
      )
    )
      .trim()
      .slice(0, 5);
  const MiB = 2 ** 20;
  t.is(await at('a.img', MiB), '00 00');
  t.is(await at('a.img', 2 * MiB), '07 07');
  t.is(await at('a.img', 9 * MiB + MiB / 2 - 4096), '00 00');
  t.is(await at('a.img', 9 * MiB + MiB / 2), '07 07');
  t.is(await at('b.img', MiB + MiB / 2), '07 07');
});

/** Of each volume `SUM NAME DIGEST`. */
const inGuest = `
  mkdir -p /etc/lvm /run /var/lock /tmp
  cat > /etc/lvm/lvm.conf <<'END'
devices { use_devicesfile=0 obtain_device_list_from_udev=0 }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
global { event_activation=0 thin_check_executable="" use_lvmpolld=0 }
END
  sum() { for name; do echo "SUM $name $(md5sum < /dev/vg/$name | cut -c 1-32)"; done; }
  fill() { dd if=/dev/urandom of=/dev/vg/$1 bs=64k seek=$2 count=$3 conv=notrunc,fsync 2>&1 | grep -v records || true; }
  lvm vgchange -ay vg
  mkfs.ext4 -q /dev/vg/linear
  mount -t ext4 /dev/vg/linear /mnt && echo kept > /mnt/file && umount /mnt
  fill striped 0 256
  lvm lvcreate -y -Wn -n raid --type raid1 -m 1 -L 8M vg
  lvm lvcreate -y -Wn -n mirror --type mirror --mirrorlog core -m 1 -L 8M vg
  fill raid 0 100
  fill mirror 3 100
  lvm lvcreate -y -n snap -s -L 8M vg/striped
  fill striped 17 20
  fill snap 5 3
  fill snap 200 3
  lvm lvcreate -y -n pool --type thin-pool -L 32M vg
  lvm lvcreate -y -n thin -V 24M --thinpool pool vg
  fill thin 3 40
  fill thin 300 20
  lvm lvcreate -y -kn -n thinsnap -s vg/thin
  fill thin 10 5
  lvm lvcreate -y -kn -n thinempty -V 8M --thinpool pool vg
  sync
  until lvm lvs --noheadings -o copy_percent vg/raid | grep -q 100; do sleep 1; done
  sum linear striped raid mirror snap thin thinsnap thinempty
  lvm vgck vg
  lvm vgchange -an vg
`;

const modules = [
  'virtio_pci',
  'virtio_blk',
  'ext4',
  'dm-mod',
  'dm-mirror',
  'dm-snapshot',
  'dm-thin-pool',
  'dm-raid',
  'raid1',
];

testWithTools(
  test,
  ...guestTools,
  'lvm',
  'mkfs.ext4',
  'nbdcopy',
)(
  "a group that we made is activated, mounted and written by a guest's LVM, and what that makes of every kind is read",
  async (t) => {
    t.timeout(400_000);
    const cwd = await group(t);
    await makeInitramfs(cwd, { init: working(inGuest), programs: ['lvm', 'mkfs.ext4'], modules });
    const drives = ['a', 'b'].map((name) => `-drive file=${name}.img,format=raw,if=virtio`).join(' ');
    const console = await boot(cwd, drives);
    t.regex(console, /^GUEST OK/m, console);
    const sums = [...console.matchAll(/^SUM (\w+) (\w{32})/gm)];
    t.is(sums.length, 8);
    const data = join(cwd, 'data');
    const { server } = await serve(t, data, '1M');
    for (const [, name = '', sum] of sums) {
      await addExport(data, name, uriOf(cwd, name), { readOnly: true });
      const found = await shell(`nbdcopy ${server}/${name} ${name}.raw && md5sum < ${name}.raw`, { cwd });
      t.is(found.slice(0, 32), sum, name);
    }
    t.is(await shell("debugfs -R 'cat /file' linear.raw 2>>warnings", { cwd }), 'kept\n');
    for (const name of ['raid', 'mirror', 'snap', 'thin', 'pool', 'striped'])
      await t.throwsAsync(
        ashlar(data, `export add writing '${uriOf(cwd, name)}'`),
        { message: /is not written/ },
        name,
      );
    await t.throwsAsync(ashlar(data, `export add pool '${uriOf(cwd, 'pool')}' --read-only`), {
      message: /cannot be read here/,
    });
  },
);
