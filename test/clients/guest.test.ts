import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { ashlar, directory, serve, shell } from './served.ts';

const nbdClient = (port: string): string => `
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  nbd-client 10.0.2.2 ${port} /dev/nbd0 -name demo -connections 2
  echo "GUEST QUEUES $(ls /sys/block/nbd0/mq | wc -l)"
  echo "GUEST CACHE $(cat /sys/block/nbd0/queue/write_cache)"
  mkfs.ext4 -q /dev/nbd0
  mount -t ext4 -o discard /dev/nbd0 /mnt
  for n in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/file$n bs=1M count=1 2>/dev/null & writers="$writers $!"; done
  for writer in $writers; do wait $writer; done
  rm /mnt/file8
  sha256sum /mnt/file* > /sums
  umount /mnt
  echo 3 > /proc/sys/vm/drop_caches
  mount -t ext4 -o ro /dev/nbd0 /mnt
  sha256sum -c /sums
  echo "GUEST SUM $(sha256sum < /mnt/file7)"
  umount /mnt
  nbd-client -d /dev/nbd0
`;

testWithTools(
  test,
  ...guestTools,
  'nbd-client',
  'mkfs.ext4',
  'nbdcopy',
  'debugfs',
)("the kernel's NBD client has two connections to the volume, makes ext4 and finds again what it wrote", async (t) => {
  t.timeout(400_000);
  const cwd = directory(t);
  const first = await serve(t, join(cwd, 'data'), '256M');
  const programs = ['nbd-client', 'mkfs.ext4'];
  await makeInitramfs(cwd, {
    init: working(nbdClient(first.port)),
    programs,
    modules: ['virtio_pci', 'virtio_net', 'nbd'],
  });
  const console = await boot(cwd, '-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=');
  t.regex(console, /^GUEST OK/m, console);
  t.regex(console, /^GUEST QUEUES 2\s/m);
  t.regex(console, /^GUEST CACHE write back/m, 'the kernel knows of flushes');
  await first.kill();

  const { uri } = await serve(t, join(cwd, 'data'), '256M');
  await shell(`nbdcopy ${uri} disk.raw && e2fsck -f -n disk.raw`, { cwd });
  const [, sum] = /^GUEST SUM (\w{64})/m.exec(console)!;
  t.true((await shell('debugfs -R "cat /file7" disk.raw 2>>warnings | sha256sum', { cwd })).startsWith(sum!));
});

/** The disk's own first process takes over from the initial file system's. */
const fromDisk = `mount -t ext4 -o ro /dev/vda1 /mnt && exec switch_root /mnt /sbin/init
echo 'GUEST FAILED'
poweroff -f
`;

const ownInit = `#!/bin/busybox sh
export PATH=/bin
mount -t proc proc /proc
echo "GUEST $(cat /etc/who), $(sha256sum < /usr/data)"
mount -o remount,rw / && echo kept > /etc/kept && mount -o remount,ro / && echo 'GUEST OK'
poweroff -f
`;

/** A disk with a partition that has a system, in an image; over it an image with other bytes in one of its files, and over that an empty one. */
const makeChain = `mkdir -p disk/bin disk/sbin disk/etc disk/usr disk/proc disk/dev disk/sys
  cp $(command -v busybox) disk/bin/busybox
  for name in sh mount cat sha256sum poweroff; do ln -s busybox disk/bin/$name; done
  mv own-init disk/sbin/init && chmod 755 disk/sbin/init
  echo base > disk/etc/who && head -c 3000000 /dev/urandom > disk/usr/data
  truncate -s 64M disk.raw
  printf 'label: gpt\\nstart=1MiB, size=62MiB, type=linux\\n' | sfdisk --quiet disk.raw
  mkfs.ext4 -q -d disk -E offset=1048576 disk.raw 62M
  qemu-img convert -c -f raw -O qcow2 disk.raw base.qcow2
  qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
  echo 'over' > other && printf 'rm /etc/who\\nwrite other /etc/who\\n' > commands
  qemu-img convert -f raw -O raw disk.raw next.raw && debugfs -w -f commands 'next.raw?offset=1048576' >/dev/null 2>&1
  qemu-img create -q -f qcow2 -b next.raw -F raw next.qcow2
  qemu-img rebase -f qcow2 -b base.qcow2 -F qcow2 next.qcow2
  mv next.qcow2 middle.qcow2
  qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2`;

testWithTools(
  test,
  ...guestTools,
  'qemu-img',
  'sfdisk',
  'mkfs.ext4',
  'debugfs',
)('a guest boots from a chain of qcow2 images that is served, and writes to its top', async (t) => {
  t.timeout(400_000);
  const cwd = directory(t);
  await writeFile(join(cwd, 'own-init'), ownInit);
  await shell(makeChain, { cwd });
  const sum = (await shell('sha256sum < disk/usr/data', { cwd })).slice(0, 64);
  const data = join(cwd, 'data');
  const { server, kill } = await serve(t, data, '1M');
  await ashlar(data, `export add system 'qcow2://${cwd}/top.qcow2?follow=on'`);
  const before = await shell('sha256sum base.qcow2 middle.qcow2', { cwd });
  await makeInitramfs(cwd, { init: fromDisk, programs: [], modules: ['virtio_pci', 'virtio_blk', 'ext4'] });
  const console = await boot(cwd, `-drive file=${server}/system,format=raw,if=virtio`);
  t.regex(console, new RegExp(`^GUEST over, ${sum}`, 'm'), console);
  t.regex(console, /^GUEST OK/m, console);
  await kill();
  await shell('qemu-img check top.qcow2 && qemu-img convert -f qcow2 -O raw top.qcow2 after.raw', { cwd });
  await shell("e2fsck -f -n 'after.raw?offset=1048576'", { cwd });
  t.is(await shell("debugfs -R 'cat /etc/kept' 'after.raw?offset=1048576' 2>>warnings", { cwd }), 'kept\n');
  t.is(await shell('sha256sum base.qcow2 middle.qcow2', { cwd }), before);
});
