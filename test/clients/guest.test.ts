import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { directory, serve, shell } from './served.ts';

const kernel = globSync('/boot/vmlinuz-*-cloud-amd64').toSorted().at(-1) ?? '';
const release = kernel.replace('/boot/vmlinuz-', '');

/** What the guest runs as its first process. It says `GUEST OK` only when every step before did what it should. */
const init = (port: string): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
work() {
  set -e
  while read module; do insmod /modules/$module; done < /modules/order
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  nbd-client 10.0.2.2 ${port} /dev/nbd0 -name demo -connections 2
  echo "GUEST QUEUES $(ls /sys/block/nbd0/mq | wc -l)"
  echo "GUEST CACHE $(cat /sys/block/nbd0/queue/write_cache)"
  mkfs.ext4 -q /dev/nbd0
  mount -t ext4 -o discard /dev/nbd0 /mnt
  for n in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/file$n bs=1M count=4 2>/dev/null & done
  wait
  rm /mnt/file8
  sha256sum /mnt/file* > /sums
  umount /mnt
  echo 3 > /proc/sys/vm/drop_caches
  mount -t ext4 -o ro /dev/nbd0 /mnt
  sha256sum -c /sums
  echo "GUEST SUM $(sha256sum < /mnt/file7)"
  umount /mnt
  nbd-client -d /dev/nbd0
}
(work) && echo 'GUEST OK' || echo 'GUEST FAILED'
poweroff -f
`;

/** An initial file system of busybox, nbd-client, mkfs.ext4 with their libraries, and the kernel's modules in their order. */
const makeInitramfs = `mkdir -p root/bin root/etc root/lib root/lib64 root/mnt root/modules root/proc root/sys root/dev
  cp $(command -v busybox) root/bin/busybox
  for program in nbd-client mkfs.ext4; do
    path=$(command -v $program)
    cp -L $path root/bin/$program
    ldd $path | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} root
  done
  for name in virtio_pci virtio_net nbd; do modprobe --set-version ${release} --show-depends $name; done |
    sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' > modules
  xargs -I{} cp {} root/modules < modules
  sed 's:.*/::' modules > root/modules/order
  mv init root/init && chmod 755 root/init
  (cd root && find . | cpio --quiet --create --format=newc) | gzip -1 > initramfs`;

const boot = `qemu-system-x86_64 -accel tcg -m 512 -smp 2 -nodefaults -no-reboot -display none -serial stdio \\
  -kernel ${kernel} -initrd initramfs -append 'console=ttyS0 quiet panic=-1' \\
  -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= </dev/null`;

const tools = ['qemu-system-x86_64', 'busybox', 'nbd-client', 'mkfs.ext4', 'modprobe', 'cpio', 'nbdcopy', 'debugfs'];

testWithTools(
  test,
  ...tools,
  ...(kernel === '' ? ['a Debian cloud kernel'] : []),
)("the kernel's NBD client has two connections to the volume, makes ext4 and finds again what it wrote", async (t) => {
  t.timeout(400_000);
  const cwd = directory(t);
  const first = await serve(t, join(cwd, 'data'), '256M');
  await writeFile(join(cwd, 'init'), init(first.port));
  await shell(makeInitramfs, { cwd });
  const console = await shell(boot, { cwd, timeoutMs: 300_000 });
  t.regex(console, /^GUEST OK/m, console);
  t.regex(console, /^GUEST QUEUES 2\s/m);
  t.regex(console, /^GUEST CACHE write back/m, 'the kernel knows of flushes');
  await first.kill();

  const { uri } = await serve(t, join(cwd, 'data'), '256M');
  await shell(`nbdcopy ${uri} disk.raw && e2fsck -f -n disk.raw`, { cwd });
  const [, sum] = /^GUEST SUM (\w{64})/m.exec(console)!;
  t.true((await shell('debugfs -R "cat /file7" disk.raw 2>>warnings | sha256sum', { cwd })).startsWith(sum!));
});
