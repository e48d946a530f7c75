import { basename, join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { directory, long, serveIn, shell, type Test } from './served.ts';

/**
 * QEMU's own client asks the port mapper at port 111 and cannot be told of ports, so the server is in a network of its own, at the ports that are usual. Gives the network's name
 * and where the file volume is.
 */
async function serveAtUsualPorts(t: Test, cwd: string): Promise<{ readonly netns: string; readonly uri: string }> {
  const netns = basename(cwd);
  await shell(`ip netns add ${netns}`);
  t.teardown(() => shell(`ip netns delete ${netns}`));
  await shell(`ip netns exec ${netns} ip link set lo up`);
  await serveIn(netns, t, join(cwd, 'data'), '1M', '--volume', 'home:1G:file');
  return { netns, uri: 'nfs://127.0.0.1/home' };
}

testAsRoot(
  test,
  'qemu-img',
  'qemu-io',
  'ip',
)('qemu-img and qemu-io make, copy, compare and use images on a file volume by nfs://', async (t) => {
  const cwd = directory(t);
  const { netns, uri } = await serveAtUsualPorts(t, cwd);
  await shell(
    `head -c 3000000 /dev/urandom > source.raw && truncate -s 16M source.raw
    ip netns exec ${netns} sh -e -c '
      qemu-img convert -f raw -O raw source.raw ${uri}/disk.raw
      qemu-img compare -f raw -F raw source.raw ${uri}/disk.raw
      qemu-img create -q -f qcow2 -b ${uri}/disk.raw -F raw ${uri}/top.qcow2
      qemu-io -f qcow2 -c "write -P 7 4M 64k" -c "write -z 1M 1M" -c flush -c "read -P 7 4M 64k" ${uri}/top.qcow2
      qemu-img check -q -f qcow2 ${uri}/top.qcow2
      qemu-img convert -f qcow2 -O raw ${uri}/top.qcow2 back.raw'
    qemu-io -f raw -c 'write -P 7 4M 64k' -c 'write -z 1M 1M' source.raw
    cmp source.raw back.raw`,
    { cwd },
  );
  t.pass();
});

const onItsDisk = `
  fio --name=v --filename=/dev/vda --ioengine=libaio --direct=1 --iodepth=8 --rw=randwrite --bsrange=4k-64k --size=64M --io_size=64M --verify=crc32c --verify_fatal=1 --fsync=64
  mkfs.ext4 -q /dev/vda
  mount -t ext4 /dev/vda /mnt
  cp -r /bin /modules /mnt
  (cd /mnt && find . -type f | sort | xargs sha256sum > /sums)
  umount /mnt
  echo 3 > /proc/sys/vm/drop_caches
  mount -t ext4 /dev/vda /mnt
  (cd /mnt && sha256sum -c /sums > /checked)
  umount /mnt
`;

if (long) {
  testAsRoot(
    test,
    ...guestTools,
    'fio',
    'mkfs.ext4',
    'e2fsck',
  )('a guest whose disk is a file of a file volume, by QEMU over nfs://, finds there what it wrote', async (t) => {
    t.timeout(1_300_000);
    const cwd = directory(t);
    const { netns, uri } = await serveAtUsualPorts(t, cwd);
    await shell(`ip netns exec ${netns} qemu-img create -q -f raw ${uri}/disk.raw 256M`);
    await makeInitramfs(cwd, {
      init: working(onItsDisk),
      programs: ['fio', 'mkfs.ext4', 'sha256sum'],
      modules: ['virtio_pci', 'virtio_blk', 'ext4'],
    });
    const drive = `-drive file=${uri}/disk.raw,format=raw,if=virtio`;
    const console = await boot(cwd, drive, { netns, processors: 1, timeoutMs: 1_200_000 });
    t.regex(console, /^GUEST OK/m, console);
    await shell(
      `ip netns exec ${netns} qemu-img convert -f raw -O raw ${uri}/disk.raw back.raw && e2fsck -f -n back.raw`,
      {
        cwd,
      },
    );
  });
}
