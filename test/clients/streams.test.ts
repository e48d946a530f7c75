import { createReadStream, createWriteStream, statSync, truncateSync } from 'node:fs';
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

testQemu('a stream of changes that broke off is gone on with by the same changes only', async (t) => {
  const cwd = directory(t);
  const [from, to] = [join(cwd, 'from'), join(cwd, 'to')];
  const source = await serve(t, from, '64M');
  const target = await serve(t, to, '1M');
  const file = join(cwd, 'stream');
  const send = (what: string): Promise<string> => ashlar(from, `volume send ${what}`, `> ${file}`);
  await qemuIo(source.uri, 'write -P 1 0 32M');
  await ashlar(from, 'volume snapshot demo@one');
  await qemuIo(source.uri, 'write -P 2 0 8M', 'discard 16M 8M');
  await ashlar(from, 'volume snapshot demo@two');
  await send('demo@one');
  await ashlar(to, 'volume receive copy', `< ${file}`);
  await send('demo@one..two');
  truncateSync(file, 4 * MiB + 123);
  await t.throwsAsync(ashlar(to, 'volume receive copy', `< ${file}`), { message: /broke off/ });
  // The whole of it says nothing of what is zero in it, and was not before.
  await send('demo@two --from-offset 1048576');
  await t.throwsAsync(ashlar(to, 'volume receive copy --resume', `< ${file}`), {
    message: /the one that broke off goes on from the snapshot/,
  });
  await send('demo@one..two --from-offset 1048576');
  await ashlar(to, 'volume receive copy --resume', `< ${file}`);
  await same(`${source.uri}@two`, `${target.server}/copy@two`);
});

testQemu('a stream is gone on with after kill -9 of the server that received it', async (t) => {
  const cwd = directory(t);
  const [from, to] = [join(cwd, 'from'), join(cwd, 'to')];
  const source = await serve(t, from, '1G');
  const first = await serve(t, to, '1M');
  await qemuIo(source.uri, 'write -P 1 0 320M', 'write -P 2 600M 20M');
  await ashlar(from, 'volume snapshot demo@one');
  const file = join(cwd, 'stream');
  await ashlar(from, 'volume send demo@one', `> ${file}`);
  // The pipe stays open behind the first part, of which 256 MiB are on record.
  const pipe = join(cwd, 'pipe');
  await shell(`mkfifo ${pipe}`);
  const writer = createWriteStream(pipe).on('error', () => undefined);
  t.teardown(() => writer.destroy());
  createReadStream(file, { end: 300 * MiB }).pipe(writer, { end: false });
  const receiving = ashlar(to, 'volume receive received', `< ${pipe}`);
  const broken = t.throwsAsync(receiving, { message: /--resume/ });
  const offsetOf = async (): Promise<number> => {
    const shown = await ashlar(to, 'volume show received --json').catch(() => '{}');
    return (JSON.parse(shown) as { receiving?: { offset: number } }).receiving?.offset ?? 0;
  };
  while ((await offsetOf()) < 256 * MiB) await new Promise((resolve) => setTimeout(resolve, 100));
  await first.kill();
  await broken;
  const second = await serve(t, to, '1M');
  const offset = await offsetOf();
  t.true(offset >= 256 * MiB && offset < 400 * MiB, String(offset));
  await ashlar(from, `volume send demo@one --from-offset ${offset}`, `> ${file}`);
  await ashlar(to, 'volume receive received --resume', `< ${file}`);
  await same(`${source.uri}@one`, `${second.server}/received@one`);
});
