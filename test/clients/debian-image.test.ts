import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { testAsRoot, testWithTools } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { directory, long, serve, shell } from './served.ts';

/** The files of this Debian's required packages: a root file system without its configuration. */
const copyRoot = `mkdir -p root/usr/bin root/usr/sbin root/usr/lib root/usr/lib64
  dpkg-query -W -f '\${Priority} \${Package}\\n' | sed -n 's/^required //p' | xargs dpkg-query -L | sort -u |
    tar --create --no-recursion --ignore-failed-read --files-from - 2>warnings | tar --extract --directory root
  test -e root/usr/bin/dpkg`;

/** A whole Debian by debootstrap. Its mounts are gone with its name space. */
const debootstrap = `. /etc/os-release
  unshare --mount debootstrap --variant=minbase "$VERSION_CODENAME" root "$mirror"
  test -e root/etc/debian_version`;

const mirror = 'http://deb.debian.org/debian';

/** A disk of 1 GiB with a GPT and one ext4 partition, which holds `root`. */
const makeDisk = `truncate -s 1G disk.raw
  printf 'label: gpt\\nstart=1MiB, size=1022MiB, type=linux, name=root\\n' | sfdisk --quiet disk.raw
  mkfs.ext4 -q -d root -L root -E offset=1048576 disk.raw 1022M
  e2fsck -f -n 'disk.raw?offset=1048576'`;

type Run = { readonly start: number; readonly length: number; readonly data: boolean };

async function dataBytes(image: string, cwd: string): Promise<number> {
  const runs = JSON.parse(await shell(`qemu-img map -f raw --output=json ${image}`, { cwd })) as Run[];
  return runs.reduce((sum, { length, data }) => sum + (data ? length : 0), 0);
}

/** Into the volume, over kill -9 of the server, and out again. */
async function throughTheVolume(t: ExecutionContext, cwd: string): Promise<void> {
  const minutes = { cwd, timeoutMs: 300_000 };
  const data = join(cwd, 'data');
  const intoVolume = (uri: string): Promise<string> =>
    shell(`qemu-img convert -n -t writeback -f raw -O raw disk.raw ${uri}`, minutes);
  const broken = await serve(t, data, '1G');
  const cutOff = Promise.allSettled([intoVolume(broken.uri)]);
  while ((await dataBytes(broken.uri, cwd)) === 0);
  await broken.kill();
  const [{ status }] = await cutOff;
  t.log(status === 'rejected' ? 'the first copy was cut off' : 'the first copy was done before the server was killed');

  const first = await serve(t, data, '1G');
  await intoVolume(first.uri);
  await first.kill();

  const second = await serve(t, data, '1G');
  const compared = await shell(`qemu-img compare -p -f raw -F raw disk.raw ${second.uri}`, minutes);
  t.regex(compared, /Images are identical\./);
  const [inDisk, inVolume] = [await dataBytes('disk.raw', cwd), await dataBytes(second.uri, cwd)];
  t.true(inDisk > 20 * MiB, 'the image has contents');
  t.true(inVolume > 0 && inVolume <= inDisk, `${inVolume} bytes of data in the volume, ${inDisk} in the image`);
  await shell(`qemu-img convert -f raw -O raw ${second.uri} back.raw && cmp disk.raw back.raw`, minutes);
  t.true((await dataBytes('back.raw', cwd)) <= inDisk);
  await shell(`sfdisk --verify --quiet back.raw && e2fsck -f -n 'back.raw?offset=1048576'`, minutes);
}

const tools = ['qemu-img', 'sfdisk', 'mkfs.ext4', 'e2fsck', 'dpkg-query'];

testWithTools(test, ...tools)(
  'a partitioned Debian file system goes into a volume and out, over kill -9',
  async (t) => {
    t.timeout(120_000);
    const cwd = directory(t);
    await shell(`${copyRoot}\n${makeDisk}`, { cwd, timeoutMs: 100_000 });
    await throughTheVolume(t, cwd);
  },
);

if (long) {
  testAsRoot(
    test,
    ...tools,
    'debootstrap',
  )('a Debian by debootstrap goes into a volume and out, over kill -9', async (t) => {
    t.timeout(1_800_000);
    const cwd = directory(t);
    const isReachable = await fetch(`${mirror}/dists/stable/Release`, { signal: AbortSignal.timeout(20_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!isReachable) t.log(`${mirror} cannot be reached: the files of this machine's packages are taken instead`);
    await shell(isReachable ? debootstrap.replace('$mirror', mirror) : copyRoot, { cwd, timeoutMs: 1_200_000 });
    await shell(makeDisk, { cwd, timeoutMs: 300_000 });
    await throughTheVolume(t, cwd);
  });
}
