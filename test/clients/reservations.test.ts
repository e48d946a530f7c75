import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, qemuIo, serve, shell, type Served, type Test } from './served.ts';

const testQemu = testWithTools(test, 'qemu-io', 'fio');

/** A server whose pool takes 64 MiB of data, with a volume `demo` of 1 GiB. */
async function small(t: Test): Promise<{ data: string; config: string; served: Served }> {
  const path = directory(t);
  const [data, config] = [join(path, 'data'), join(path, 'ashlar.toml')];
  writeFileSync(config, '[pool]\ncapacity = "64M"\n');
  return { data, config, served: await serve(t, data, '1G', '--config', config) };
}

/** Writes one MiB after another until the server says that there is no room; gives how many went in. */
async function fill(uri: string): Promise<number> {
  const writes = Array.from({ length: 100 }, (_, index) => `-c 'write -P 7 ${index}M 1M'`);
  const out = await shell(`qemu-io -f raw ${writes.join(' ')} '${uri}' || true`);
  if (!/No space left on device/.test(out)) throw new Error(out);
  return out.match(/wrote 1048576/g)?.length ?? 0;
}

testQemu('a volume with room reserved goes on writing while another gets ENOSPC', async (t) => {
  const { data, served } = await small(t);
  const { uri } = served;
  await ashlar(data, 'volume create kept --size 24M --reserve 24M');
  const kept = uri.replace(/demo$/, 'kept');
  const count = await fill(uri);
  t.true(count > 20 && count <= 40, `${count} MiB went in`);
  const listed = await ashlar(data, 'volume ls');
  t.regex(listed, /NAME +TYPE +SIZE +USED +RESERVED .*\n.*demo.* - .*\n.*kept +block +24 MiB +0 B +24 MiB/);
  t.regex(listed, /1\.02 GiB in volumes, 1638 % of the capacity: more than there is room for/);
  const written = '--rw=randwrite --bs=4k --size=24M --iodepth=16 --verify=crc32c --verify_fatal=1';
  await shell(`fio --name=kept --ioengine=nbd '--uri=${kept}' ${written}`, { cwd: directory(t) });
  await t.throwsAsync(qemuIo(uri, 'write 900M 1M'), { message: /No space left on device/ });
  await qemuIo(uri, 'write -P 8 4096 1M', 'read -P 8 4096 1M', 'discard 10M 10M');
  await qemuIo(uri, 'write -P 9 600M 4M', 'read -P 9 600M 4M');
});

testQemu(
  'what does not fit is refused with the numbers; reservations are changed, and outlive a restart',
  async (t) => {
    const { data, config, served } = await small(t);
    const tooMuch = ashlar(data, 'volume create kept --size 80M --reserve 80M');
    await t.throwsAsync(tooMuch, { message: /it needs 80\.6 MiB, and the pool has 64 MiB free/ });
    await ashlar(data, 'volume create kept --size 80M --reserve 60M');
    t.regex(await ashlar(data, 'volume show kept'), /reserved +60 MiB/);
    await t.throwsAsync(ashlar(data, 'volume reserve demo 5M'), {
      message:
        /a reservation of 5 MiB does not fit: it needs 5\.04 MiB, and the pool has 64 MiB free, of which 60 MiB are reserved/,
    });
    t.regex(
      await ashlar(data, 'status'),
      /room +0 B of 64 MiB used, 3\.53 MiB available, 60 MiB kept for reservations/,
    );
    t.is(await served.stop(), 0);
    const { uri, reload } = await serve(t, data, '1G', '--config', config);
    t.true((await fill(uri)) <= 4);
    await ashlar(data, 'volume reserve kept none');
    t.true((await fill(uri)) > 50);
    t.regex(await ashlar(data, 'status'), /warning +\d+ MiB of 64 MiB are used \(\d+ %\): trim/);
    writeFileSync(config, '[pool]\ncapacity = "1G"\n');
    reload();
    while (!/of 1 GiB used/.test(await ashlar(data, 'status'))) await setTimeout(50);
    await qemuIo(uri, 'write -P 3 100M 64M');
  },
);
