import { join } from 'node:path';
import { mergeExtents, type Extent } from '@ashlar/core';
import { testAsRoot, testWithTools } from '@ashlar/testing';
import test from 'ava';
import { loopTools, why } from './loop-device.ts';
import { ashlar, directory, serve, shell } from './served.ts';

const testQemu = testWithTools(test, 'qemu-img', 'nbdinfo');

/** A qcow2 image with some data, compressed clusters, and a base that it is over. */
const makeImages = `head -c 3000000 /usr/bin/qemu-img > some.raw && truncate -s 20M some.raw
  qemu-img convert -c -f raw -O qcow2 some.raw base.qcow2
  qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
  qemu-io -c 'write -P 7 1M 2M' -c 'write -z 12M 1M' top.qcow2`;

testQemu('a qcow2 image is served as QEMU reads it, with its holes', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  const { server } = await serve(t, data, '1M');
  await ashlar(data, `export add golden qcow2://${cwd}/base.qcow2 --read-only`);
  await ashlar(data, `export add chained 'qcow2://${cwd}/top.qcow2?follow=on' --read-only`);
  await shell(`qemu-img compare -f raw -F qcow2 ${server}/golden base.qcow2`, { cwd });
  await shell(`qemu-img compare -f raw -F qcow2 ${server}/chained top.qcow2`, { cwd });
  type Run = { data: boolean; start: number; length: number };
  const dataOf = async (options: string): Promise<Extent[]> => {
    const runs = JSON.parse(await shell(`qemu-img map --output json ${options}`, { cwd })) as Run[];
    return mergeExtents(
      runs.filter(({ data: isData }) => isData).map(({ start, length }) => ({ offset: start, length, state: 'data' })),
    );
  };
  t.deepEqual(await dataOf(`-f raw ${server}/chained`), await dataOf('-f qcow2 top.qcow2'));
});

testQemu('files that an image names are not opened unless that is asked for', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  await serve(t, data, '1M');
  await t.throwsAsync(ashlar(data, `export add top qcow2://${cwd}/top.qcow2 --read-only`), {
    message: /is backed by 'base.qcow2', and files that an image names are not opened here/,
  });
});

testQemu('what is no image, or would be written, is refused with a sentence', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  await serve(t, data, '1M');
  await t.throwsAsync(ashlar(data, `export add base qcow2://${cwd}/base.qcow2`), { message: /add --read-only/ });
  await t.throwsAsync(ashlar(data, `export add odd 'qcow2://${cwd}/base.qcow2?other=1' --read-only`), {
    message: /cannot be exported/,
  });
  await t.throwsAsync(ashlar(data, `export add raw qcow2://${cwd}/some.raw --read-only`), {
    message: /is not a qcow2 image/,
  });
});

testWithTools(
  test,
  'sfdisk',
  'qemu-io',
  'nbdinfo',
)('a partition inside an image is an export by itself', async (t) => {
  const cwd = directory(t);
  await shell(
    `truncate -s 32M disk.raw && printf '1: size=4M\\n2: size=8M\\n' | sfdisk -q --label gpt disk.raw
    qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2`,
    { cwd },
  );
  const data = join(cwd, 'data');
  const { server } = await serve(t, data, '1M');
  await ashlar(data, `export add second 'file://${cwd}/disk.raw?partition=2'`);
  await ashlar(data, `export add first 'qcow2://${cwd}/disk.qcow2?partition=1' --read-only`);
  await shell(`qemu-io -f raw -c 'write -P 7 0 8M' -c flush ${server}/second`, { cwd });
  t.is(Number(await shell(`nbdinfo --size ${server}/first`, { cwd })), 4 * 2 ** 20);
  await shell(
    `sfdisk --json disk.raw >/dev/null
    start=$(sfdisk -q -l -o start disk.raw | tail -1)
    dd if=disk.raw bs=512 skip=$start count=16384 status=none | tr -d '\\007' | wc -c | grep -qx 0`,
    { cwd },
  );
  await t.throwsAsync(ashlar(data, `export add third 'file://${cwd}/disk.raw?partition=3' --read-only`), {
    message: /has no partition 3: it has the partitions 1 \(4 MiB\), 2 \(8 MiB\)/,
  });
});

testAsRoot(
  test,
  ...loopTools,
  'qemu-io',
)(`a device is an export of its own size, for one alone, and not while it is mounted${why}`, async (t) => {
  const cwd = directory(t);
  const data = join(cwd, 'data');
  await shell('truncate -s 20M disk.raw && mkdir mnt', { cwd });
  const device = (await shell('losetup --find --show --sector-size 4096 disk.raw', { cwd })).trim();
  t.teardown(() => shell(`losetup --detach ${device}`));
  const { server } = await serve(t, data, '1M');
  await ashlar(data, `export add whole dev://${device}`);
  t.is(Number(await shell(`nbdinfo --size ${server}/whole`)), 20 * 2 ** 20);
  t.regex(await shell(`nbdinfo ${server}/whole`), /block_size_minimum: 4096/);
  await shell(
    `mkfs.ext4 -q -b 4096 part.raw 20M
      qemu-img convert -n -f raw -O raw part.raw ${server}/whole
      e2fsck -fn disk.raw`,
    { cwd },
  );
  await shell(`mount ${device} mnt`, { cwd });
  await t.throwsAsync(ashlar(data, `export add mounted dev://${device}`), {
    message: /is in use: .* is mounted on .*\/mnt/,
  });
  await ashlar(data, `export add shared 'dev://${device}?shared=on' --read-only`);
  await shell('umount mnt', { cwd });
  await t.throwsAsync(ashlar(data, `export add file dev://${cwd}/disk.raw`), { message: /is no block device/ });
  await t.throwsAsync(ashlar(data, `export add both 'dev://${device}?shared=on'`), { message: /add --read-only/ });
});
