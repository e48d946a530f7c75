import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mergeExtents, type Extent } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import { SeededRandom, testAsRoot, testWithTools } from '@ashlar/testing';
import test from 'ava';
import { addExport } from './admin.ts';
import { loopDeviceOf, loopTools, why } from './loop-device.ts';
import { ashlar, directory, long, qemuIo, serve, shell } from './served.ts';
import { madeOnce, sharedServer } from './shared.ts';

const testQemu = testWithTools(test, 'qemu-img', 'nbdinfo');
const shared = sharedServer(test);

/** A qcow2 image with some data, compressed clusters, and a base that it is over. */
const images = madeOnce(test, (cwd) =>
  shell(
    `head -c 3000000 /usr/bin/qemu-img > some.raw && truncate -s 20M some.raw
    qemu-img convert -c -f raw -O qcow2 some.raw base.qcow2
    qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
    qemu-io -c 'write -P 7 1M 2M' -c 'write -z 12M 1M' top.qcow2`,
    { cwd },
  ),
);

testQemu('a qcow2 image is served as QEMU reads it, with its holes', async (t) => {
  const cwd = await images(t);
  const { data, server } = await shared();
  await addExport(data, 'golden', `qcow2://${cwd}/base.qcow2`, { readOnly: true });
  await addExport(data, 'chained', `qcow2://${cwd}/top.qcow2?follow=on`, { readOnly: true });
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
  const cwd = await images(t);
  const { data } = await shared();
  await t.throwsAsync(ashlar(data, `export add top qcow2://${cwd}/top.qcow2 --read-only`), {
    message: /is backed by 'base.qcow2', and files that an image names are not opened here/,
  });
});

testQemu('what is no image is refused with a sentence', async (t) => {
  const cwd = await images(t);
  const { data } = await shared();
  await t.throwsAsync(ashlar(data, `export add odd 'qcow2://${cwd}/base.qcow2?other=1' --read-only`), {
    message: /cannot be exported/,
  });
  await t.throwsAsync(ashlar(data, `export add raw qcow2://${cwd}/some.raw --read-only`), {
    message: /is not a qcow2 image/,
  });
});

testQemu('a qcow2 image is not taken for a raw file, unless it is said that its bytes are meant', async (t) => {
  const cwd = await images(t);
  const { data, server } = await shared();
  for (const source of [`file://${cwd}/base.qcow2`, `${cwd}/base.qcow2`]) {
    await t.throwsAsync(ashlar(data, `export add bytes ${source}`), {
      message: /base.qcow2 is a qcow2 image: say qcow2:\/\/.*base.qcow2\?format=raw/,
    });
  }
  t.notRegex(await ashlar(data, 'export ls'), /bytes/);
  await addExport(data, 'bytes', `file://${cwd}/base.qcow2?format=raw`, { readOnly: true });
  await shell(`qemu-img compare -f raw -F raw ${server}/bytes base.qcow2`, { cwd });
});

testQemu('what a guest writes to a raw file may begin as an image: it is served all the same', async (t) => {
  const cwd = await images(t);
  await shell(`head -c 65536 base.qcow2 > head; truncate -s 20M disk.raw`, { cwd });
  const data = join(cwd, 'data');
  const { server, stop } = await serve(t, data, '1M');
  await addExport(data, 'disk', `file://${cwd}/disk.raw`);
  await shell(`qemu-io -f raw -c 'write -s head 0 64k' -c flush ${server}/disk`, { cwd });
  await stop();
  const again = await serve(t, data, '1M');
  t.regex(await shell(`qemu-img compare -f raw -F raw ${again.server}/disk disk.raw`, { cwd }), /identical/);
});

/** A disk with partitions of 4 and 8 MiB, as a raw file and as an image. */
const makePartitioned = `truncate -s 32M disk.raw && printf '1: size=4M\\n2: size=8M\\n' | sfdisk -q --label gpt disk.raw
  qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2`;

testWithTools(
  test,
  'sfdisk',
  'qemu-io',
  'nbdinfo',
)('a partition inside an image is an export by itself', async (t) => {
  const cwd = directory(t);
  await shell(makePartitioned, { cwd });
  const { data, server } = await shared();
  await addExport(data, 'second', `file://${cwd}/disk.raw?partition=2`);
  await addExport(data, 'first', `qcow2://${cwd}/disk.qcow2?partition=1`, { readOnly: true });
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

testWithTools(
  test,
  'sfdisk',
  'qemu-io',
  'qemu-img',
)('two partitions of one image are written by two clients at once', async (t) => {
  const cwd = directory(t);
  await shell(makePartitioned, { cwd });
  const data = join(cwd, 'data');
  const { server, stop } = await serve(t, data, '1M');
  for (const number of [1, 2]) await addExport(data, `p${number}`, `qcow2://${cwd}/disk.qcow2?partition=${number}`);
  const write = (number: number): Promise<string> =>
    shell(
      `qemu-io -f raw -c 'write -P ${number} 0 4M' -c flush -c 'sleep 1000' -c 'write -P ${number + 4} 1M 1M' ${server}/p${number}`,
      { cwd },
    );
  await Promise.all([write(1), write(2)]);
  await stop();
  for (const number of [1, 2]) {
    const at = `$(($(sfdisk -q -l -o start disk.raw | sed -n ${number + 1}p) * 512))`;
    const reads = `-c "read -P ${number} ${at} 1M" -c "read -P ${number + 4} $((${at} + 1048576)) 1M" -c "read -P ${number} $((${at} + 2097152)) 2M"`;
    const said = await shell(`qemu-io -f qcow2 ${reads} disk.qcow2`, { cwd });
    t.notRegex(said, /failed/);
  }
  t.regex(await shell('qemu-img check disk.qcow2', { cwd }), /No errors were found/);
});

testAsRoot(
  test,
  ...loopTools,
  'qemu-io',
)(`a device is an export of its own size, for one alone, and not while it is mounted${why}`, async (t) => {
  const cwd = directory(t);
  await shell('truncate -s 20M disk.raw && mkdir mnt', { cwd });
  const device = await loopDeviceOf(t, cwd, 'disk.raw', '--sector-size 4096');
  const { data, server } = await shared();
  await addExport(data, 'whole', `dev://${device}`);
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
  await addExport(data, 'shared', `dev://${device}?shared=on`, { readOnly: true });
  await shell('umount mnt', { cwd });
  await t.throwsAsync(ashlar(data, `export add file dev://${cwd}/disk.raw`), { message: /is no block device/ });
  await t.throwsAsync(ashlar(data, `export add both 'dev://${device}?shared=on'`), { message: /add --read-only/ });
});

testQemu('a qcow2 image is written over NBD, and QEMU finds it in order and with all of it', async (t) => {
  const cwd = await images(t);
  const data = join(cwd, 'data');
  const { server, stop } = await serve(t, data, '1M');
  await addExport(data, 'top', `qcow2://${cwd}/top.qcow2?follow=on`);
  const written = ['write -P 1 0 3M', 'write -P 2 5000k 13k', 'write -z 8M 1M', 'discard 9M 1M', 'write -z -u 15M 2M'];
  const found = ['read -P 1 0 3M', 'read -P 2 5000k 13k', 'read -P 0 8M 1M', 'read -P 0 15M 2M'];
  await qemuIo(`${server}/top`, ...written, 'flush', ...found);
  await stop();
  t.regex(await shell('qemu-img check top.qcow2', { cwd }), /^No errors/);
  await shell(`qemu-io ${found.map((each) => `-c '${each}'`).join(' ')} top.qcow2`, { cwd });
  const again = await serve(t, data, '1M');
  await shell(`qemu-img compare -U -f raw -F qcow2 ${again.server}/top top.qcow2`, { cwd });
});

testQemu('while a client may write to an image, neither another server nor QEMU opens it', async (t) => {
  const cwd = await images(t);
  const data = join(cwd, 'data');
  const one = await serve(t, data, '1M');
  const { data: other, server } = await shared();
  for (const each of [data, other]) await addExport(each, 'base', `qcow2://${cwd}/base.qcow2`);
  const client = await openNbd(`${one.server}/base`, { reconnectMs: 0 });
  await client.write(0, new Uint8Array(65_536).fill(5), false);
  const said = await shell("qemu-io -c 'write 0 64k' base.qcow2 2>&1 || true", { cwd });
  t.regex(said, /Is another process using the image/);
  await t.throwsAsync(qemuIo(`${server}/base`, 'write -P 6 0 64k'));
  await t.throwsAsync(ashlar(other, `export add again qcow2://${cwd}/base.qcow2 --read-only`), {
    message: /is in use: another program/,
  });
  await one.kill();
  await client.close();
  await qemuIo(`${server}/base`, 'write -P 6 0 64k', 'flush');
});

testQemu('bitmaps of an image are contexts of its export, to which what a client writes is added', async (t) => {
  const cwd = directory(t);
  await shell(
    `qemu-img create -q -f qcow2 a.qcow2 8M; qemu-img bitmap --add a.qcow2 monday
    qemu-io -c 'write 1M 64k' a.qcow2`,
    { cwd },
  );
  const { data, server } = await shared();
  await addExport(data, 'image', `qcow2://${cwd}/a.qcow2`);
  const written = async (): Promise<readonly (readonly number[])[]> => {
    const map = await shell(`nbdinfo --json --map=qemu:dirty-bitmap:monday ${server}/image`);
    const runs = JSON.parse(map) as { readonly offset: number; readonly length: number; readonly type: number }[];
    return runs.filter(({ type }) => type === 1).map(({ length, offset }) => [offset / 65_536, length / 65_536]);
  };
  t.deepEqual(await written(), [[16, 1]]);
  await qemuIo(`${server}/image`, 'write -P 3 5M 128k', 'flush');
  t.deepEqual(await written(), [
    [16, 1],
    [80, 2],
  ]);
  t.regex(await shell(`nbdinfo ${server}/image`), /qemu:dirty-bitmap:monday/);
});

const rounds = long ? 200 : 10;

testQemu(
  `an image whose server is killed in the middle of writes has lost clusters at the worst, and all that was flushed, ${rounds} times`,
  async (t) => {
    t.timeout(20 * 60_000);
    const cwd = await images(t);
    await shell(
      `qemu-img create -q -f qcow2 -o cluster_size=4k -b base.qcow2 -F qcow2 a.qcow2 ${rounds + 16}M
    qemu-io -c 'write -P 200 0 8M' a.qcow2; qemu-img snapshot -c one a.qcow2`,
      { cwd },
    );
    const data = join(cwd, 'data');
    const random = new SeededRandom(1);
    const flushed: string[] = [];
    let cut = 0;
    for (let round = 0; round < rounds; round += 1) {
      const { server, kill } = await serve(t, data, '1M');
      if (round === 0) await addExport(data, 'image', `qcow2://${cwd}/a.qcow2?follow=on`);
      const pattern = 1 + (round % 199);
      await qemuIo(`${server}/image`, `write -P ${pattern} ${round}M 700k`, 'flush');
      flushed.push(`read -P ${pattern} ${round}M 700k`);
      // What is written over what was flushed begins behind it.
      const writes = Array.from({ length: 400 }, () => {
        const at = (round + 1) * 1024 + random.below(14 * 1024);
        return `-c '${random.pick(['write -P 250', 'write -z', 'write -z -u', 'discard'])} ${at}k ${1 + random.below(200)}k'`;
      });
      const client = shell(`qemu-io -f raw -d unmap ${writes.join(' ')} ${server}/image`).catch(() => (cut += 1));
      await delay(30 + random.below(300));
      await kill();
      await client;
      await shell('qemu-img check a.qcow2 || test $? = 3', { cwd });
      await shell(`qemu-io -r ${flushed.map((each) => `-c '${each}'`).join(' ')} a.qcow2`, { cwd });
    }
    t.true(cut > rounds / 2, `${cut} of ${rounds} were cut off`);
    await shell('qemu-img check -q -r leaks a.qcow2', { cwd });
    t.regex(await shell('qemu-img check a.qcow2', { cwd }), /^No errors/);
  },
);
