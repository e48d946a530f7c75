import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, qemuIo, serve, shell } from './served.ts';

const testQemu = testWithTools(test, 'qemu-io', 'qemu-img');

const same = (one: string, other: string): Promise<string> => shell(`qemu-img compare -f raw -F raw ${one} ${other}`);

testQemu('snapshots go to another server as streams: the first whole, the others as what changed', async (t) => {
  const cwd = directory(t);
  const [from, to] = [join(cwd, 'from'), join(cwd, 'to')];
  const source = await serve(t, from, '1G');
  const target = await serve(t, to, '1M');
  await qemuIo(source.uri, 'write -P 1 0 64M', 'write -P 2 900M 5000');
  await ashlar(from, 'volume snapshot demo@one');
  await qemuIo(source.uri, 'write -P 3 1M 300k', 'discard 32M 8M', 'write -P 4 1000M 1M');
  await ashlar(from, 'volume resize demo --size 2G');
  await qemuIo(source.uri, 'write -P 5 1500M 4096');
  await ashlar(from, 'volume snapshot demo@two');
  await ashlar(from, 'volume send demo@one', `> ${cwd}/one.stream`);
  await ashlar(from, 'volume send demo@one..two', `> ${cwd}/two.stream`);
  await ashlar(to, 'volume receive copy', `< ${cwd}/one.stream`);
  await same(`${source.uri}@one`, `${target.server}/copy`);
  await ashlar(to, 'volume receive copy', `< ${cwd}/two.stream`);
  await same(`${source.uri}@two`, `${target.server}/copy`);
  await same(`${source.uri}@one`, `${target.server}/copy@one`);
  t.true(statSync(join(cwd, 'two.stream')).size < 3 * MiB, 'what did not change is not in it');
});

testQemu('a stream that does not fit is refused with what is there, and changes nothing', async (t) => {
  const cwd = directory(t);
  const [from, to] = [join(cwd, 'from'), join(cwd, 'to')];
  const source = await serve(t, from, '64M');
  const target = await serve(t, to, '1M');
  for (const name of ['one', 'two', 'three']) {
    await qemuIo(source.uri, 'write -P 7 0 1M', `write -P ${name.length} 2M 4096`);
    await ashlar(from, `volume snapshot demo@${name}`);
  }
  const file = join(cwd, 'stream');
  const send = (what: string): Promise<string> => ashlar(from, `volume send ${what}`, `> ${file}`);
  const receive = (name: string, more = ''): Promise<string> =>
    ashlar(to, `volume receive ${name} ${more}`, `< ${file}`);
  await send('demo@one..two');
  await t.throwsAsync(receive('copy'), { message: /no volume 'copy' with the snapshot 'one'/ });
  await send('demo@one');
  await receive('copy');
  await t.throwsAsync(receive('copy'), { message: /volume 'copy' already/ });
  await send('demo@two..three');
  await t.throwsAsync(receive('copy'), {
    message: /goes on from the snapshot 'two', and the newest of 'copy' is 'one'/,
  });
  await qemuIo(`${target.server}/copy`, 'write -P 9 5M 4096');
  await send('demo@one..two');
  await t.throwsAsync(receive('copy'), { message: /written to since 'one': say --force/ });
  await receive('copy', '--force');
  await same(`${source.uri}@two`, `${target.server}/copy`);
  await send('demo@one');
  await shell(`printf x >> ${file}; printf 'y' | dd of=${file} bs=1 seek=500 conv=notrunc 2>&1`);
  await t.throwsAsync(receive('other'), { message: /damaged|no stream/ });
});

testQemu('a stream that broke off is gone on with where it was durable', async (t) => {
  const cwd = directory(t);
  const [from, to] = [join(cwd, 'from'), join(cwd, 'to')];
  const source = await serve(t, from, '256M');
  const target = await serve(t, to, '1M');
  await qemuIo(source.uri, 'write -P 1 0 64M', 'write -P 2 128M 64M');
  await ashlar(from, 'volume snapshot demo@one');
  const file = join(cwd, 'stream');
  await ashlar(from, 'volume send demo@one', `> ${file}`);
  truncateSync(file, 70 * MiB + 123);
  const { message } = (await t.throwsAsync(ashlar(to, 'volume receive copy', `< ${file}`)))!;
  const offset = Number(/--from-offset (\d+)/.exec(message)?.[1]);
  t.true(offset > 128 * MiB && offset < 140 * MiB, message);
  await ashlar(from, `volume send demo@one --from-offset ${offset}`, `> ${file}`);
  await t.throwsAsync(ashlar(to, 'volume receive copy', `< ${file}`), { message: /say --resume/ });
  await ashlar(to, 'volume receive copy --resume', `< ${file}`);
  await same(`${source.uri}@one`, `${target.server}/copy`);
  await same(`${source.uri}@one`, `${target.server}/copy@one`);
});
