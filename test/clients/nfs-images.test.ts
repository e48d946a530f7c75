import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { directory, long, serveIn, shell, type Test } from './served.ts';

const tidies: (() => void | Promise<unknown>)[] = [];
const place: Test = { teardown: (tidy) => void tidies.unshift(tidy) };
test.after.always(async () => {
  for (const tidy of tidies) await tidy();
});

/**
 * QEMU's own client asks the port mapper at port 111 and cannot be told of ports, so the server is in a network of its own, at the ports that are usual. Gives how programs are run there,
 * and where the file volume is.
 */
async function serveAtUsualPorts(): Promise<{ readonly netns: string; readonly inside: string; readonly uri: string }> {
  const cwd = directory(place);
  const netns = basename(cwd);
  await shell(`ip netns add ${netns}`);
  place.teardown(() => shell(`ip netns delete ${netns}`));
  await shell(`ip netns exec ${netns} ip link set lo up`);
  await serveIn(netns, place, join(cwd, 'data'), '1M', '--volume', 'home:1G:file');
  return { netns, inside: `ip netns exec ${netns}`, uri: 'nfs://127.0.0.1/home' };
}

/** One for all tests. */
let served: ReturnType<typeof serveAtUsualPorts> | undefined;
const usual = (): ReturnType<typeof serveAtUsualPorts> => (served ??= serveAtUsualPorts());

testAsRoot(
  test,
  'qemu-img',
  'qemu-io',
  'ip',
)('qemu-img and qemu-io make, copy, compare and use images on a file volume by nfs://', async (t) => {
  const cwd = directory(t);
  const { inside, uri } = await usual();
  await shell(
    `head -c 3000000 /dev/urandom > source.raw && truncate -s 16M source.raw
    ${inside} sh -e -c '
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

testAsRoot(
  test,
  'nfs-ls',
  'nfs-cp',
  'nfs-cat',
  'ip',
)('programs of libnfs list, copy and read files of a file volume', async (t) => {
  const cwd = directory(t);
  const { inside, uri } = await usual();
  const source = Buffer.alloc(3_000_000, 'abc');
  writeFileSync(join(cwd, 'source'), source);
  const out = await shell(
    `${inside} sh -e -c '
      nfs-cp source ${uri}/there?version=3
      nfs-ls ${uri}?version=3
      nfs-cat ${uri}/there?version=3 > back'`,
    { cwd },
  );
  t.regex(out, /^-rw.* 3000000 there$/m);
  t.true(readFileSync(join(cwd, 'back')).equals(source));
});

/** By the kernel's client. Behind QEMU's user network the host's loopback has another address. */
const makeImage = `
  exec 2>&1
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  mkdir -p /sbin /mnt/home /mnt/disk
  ln -s /bin/mount.nfs /sbin/mount.nfs
  mount -t nfs -o vers=3,nolock 10.0.2.2:/home /mnt/home
  truncate -s 256M /mnt/home/disk.raw
  mkfs.ext4 -q /mnt/home/disk.raw
  mount -t ext4 -o loop /mnt/home/disk.raw /mnt/disk
  cp -r /bin /modules /mnt/disk
  (cd /mnt/disk && find bin modules -type f | xargs sha256sum > sums)
  umount /mnt/disk
  umount /mnt/home
`;

const useImage = `
  mount -t ext4 /dev/vda /mnt
  cd /mnt
  sha256sum -c sums > /checked
  fio --name=v --filename=/mnt/file --ioengine=libaio --direct=1 --iodepth=8 --rw=randwrite --bsrange=4k-64k --size=64M --io_size=32M --verify=crc32c --verify_fatal=1 --fsync=64
  mv modules moved
  cp -r /bin again
  find moved again file -type f | xargs sha256sum > more
  cd /
  umount /mnt
  echo 3 > /proc/sys/vm/drop_caches
  mount -t ext4 /dev/vda /mnt
  (cd /mnt && sha256sum -c more > /checked)
  umount /mnt
`;

if (long) {
  testAsRoot(
    test,
    ...guestTools,
    'fio',
    'mkfs.ext4',
    'mount.nfs',
    'e2fsck',
  )('an image that a guest made on a file volume is the disk of another one, by QEMU over nfs://', async (t) => {
    t.timeout(1_300_000);
    const cwd = directory(t);
    const { inside, netns, uri } = await usual();
    const guest = async (name: string, options: string, files: Parameters<typeof makeInitramfs>[1]): Promise<void> => {
      mkdirSync(join(cwd, name));
      await makeInitramfs(join(cwd, name), files);
      const console = await boot(join(cwd, name), options, { netns, processors: 1, timeoutMs: 600_000 });
      t.regex(console, /^GUEST OK/m, console);
    };
    await guest('maker', '-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=', {
      init: working(makeImage),
      programs: ['mount', 'mount.nfs', 'mkfs.ext4', 'sha256sum'],
      modules: ['virtio_pci', 'virtio_net', 'nfsv3', 'loop', 'ext4'],
    });
    await guest('user', `-drive file=${uri}/disk.raw,format=raw,if=virtio`, {
      init: working(useImage),
      programs: ['fio', 'sha256sum'],
      modules: ['virtio_pci', 'virtio_blk', 'ext4'],
    });
    await shell(`${inside} qemu-img convert -f raw -O raw ${uri}/disk.raw back.raw && e2fsck -f -n back.raw`, { cwd });
  });
}
