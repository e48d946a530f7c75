import { join } from 'node:path';
import type { VolumeView } from '@ashlar/server';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, qemuIo, serve, shell } from './served.ts';

const testQemu = testWithTools(test, 'qemu-io', 'qemu-img');

const shown = async (data: string, volume: string): Promise<VolumeView> =>
  JSON.parse(await ashlar(data, `volume show ${volume} --json`)) as VolumeView;

testQemu(
  'a compressed volume takes less room than an image has, and gives it back whole, over kill -9 too',
  async (t) => {
    const folder = directory(t);
    const [data, image] = [join(folder, 'data'), join(folder, 'image.raw')];
    const first = await serve(t, data, '64M');
    await ashlar(data, 'volume create text --size 96M --compression zstd');
    await ashlar(data, 'volume compress demo zstd');
    // Text, a hole, and what does not compress.
    await shell(`seq 1 5000000 | head -c 30M > ${image} && truncate -s 80M ${image}`);
    await shell(`head -c 16M /dev/urandom >> ${image}`);
    await shell(`qemu-img convert -n -f raw -O raw ${image} ${first.server}/text`);
    await qemuIo(first.uri, 'write -P 7 0 8M', 'write -P 8 4M 4k', 'flush');
    await first.kill();
    const second = await serve(t, data, '64M');
    await shell(`qemu-img compare -f raw -F raw ${image} ${second.server}/text`);
    await qemuIo(second.uri, 'read -P 7 0 4M', 'read -P 8 4M 4k', 'read -P 7 4100k 4092k', 'discard 1M 3M');
    await second.stop();
    await ashlar(data, 'check');
    const third = await serve(t, data, '64M');
    await shell(`qemu-img compare -f raw -F raw ${image} ${third.server}/text`);
    await qemuIo(third.uri, 'read -P 0 1M 3M', 'read -P 7 0 1M', 'read -P 8 4M 4k');
    const { allocatedBytes, uncompressedBytes } = await shown(data, 'text');
    t.true(uncompressedBytes >= 46 * 2 ** 20 - 2 ** 20 && allocatedBytes < 30 * 2 ** 20, `${allocatedBytes}`);
    t.true((await shown(data, 'demo')).allocatedBytes < 2 ** 20);
  },
);
