import { createReadStream, createWriteStream, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { admin, snapshot } from './admin.ts';
import { ashlar, directory, long, qemuIo, serve, shell } from './served.ts';
import { sharedServer, type Shared } from './shared.ts';

const testQemu = testWithTools(test, 'qemu-io', 'qemu-img');
const sender = sharedServer(test);
const receiver = sharedServer(test);

/** Two servers, and on the first of them a volume of that name. */
async function between(
  name: string,
  size: string,
): Promise<{ from: string; to: string; source: string; target: Shared }> {
  const { data: from, volume } = await sender();
  const target = await receiver();
  return { from, to: target.data, source: await volume(name, size), target };
}

const same = (one: string, other: string): Promise<string> => shell(`qemu-img compare -f raw -F raw ${one} ${other}`);

testQemu('snapshots go to another server as streams: the first whole, the others as what changed', async (t) => {
  const cwd = directory(t);
  const { from, source, target, to } = await between('first', '1G');
  await qemuIo(source, `write -P 1 0 ${long ? 64 : 40}M`, 'write -P 2 900M 5000');
  await snapshot(from, 'first@one');
  await qemuIo(source, 'write -P 3 1M 300k', 'discard 32M 8M', 'write -P 4 1000M 1M');
  await admin(from, 'PATCH', '/v1/volumes/first', { size: '2G' });
  await qemuIo(source, 'write -P 5 1500M 4096');
  await snapshot(from, 'first@two');
  await ashlar(from, 'volume send first@one', `> ${cwd}/one.stream`);
  await ashlar(from, 'volume send first@one..two', `> ${cwd}/two.stream`);
  await ashlar(to, 'volume receive first-copy', `< ${cwd}/one.stream`);
  await same(`${source}@one`, `${target.server}/first-copy`);
  await ashlar(to, 'volume receive first-copy', `< ${cwd}/two.stream`);
  await same(`${source}@two`, `${target.server}/first-copy`);
  await same(`${source}@one`, `${target.server}/first-copy@one`);
  t.true(statSync(join(cwd, 'two.stream')).size < 3 * MiB, 'what did not change is not in it');
});

testQemu('a stream that does not fit is refused with what is there, and changes nothing', async (t) => {
  const cwd = directory(t);
  const { from, source, target, to } = await between('three', '64M');
  for (const name of ['one', 'two', 'three']) {
    await qemuIo(source, 'write -P 7 0 1M', `write -P ${name.length} 2M 4096`);
    await snapshot(from, `three@${name}`);
  }
  const file = join(cwd, 'stream');
  const send = (what: string): Promise<string> => ashlar(from, `volume send ${what}`, `> ${file}`);
  const receive = (name: string, more = ''): Promise<string> =>
    ashlar(to, `volume receive ${name} ${more}`, `< ${file}`);
  await send('three@one..two');
  await t.throwsAsync(receive('three-copy'), { message: /no volume 'three-copy' with the snapshot 'one'/ });
  await send('three@one');
  await receive('three-copy');
  await t.throwsAsync(receive('three-copy'), { message: /volume 'three-copy' already/ });
  await send('three@two..three');
  await t.throwsAsync(receive('three-copy'), {
    message: /goes on from the snapshot 'two', and the newest of 'three-copy' is 'one'/,
  });
  await qemuIo(`${target.server}/three-copy`, 'write -P 9 5M 4096');
  await send('three@one..two');
  await t.throwsAsync(receive('three-copy'), { message: /written to since 'one': say --force/ });
  await receive('three-copy', '--force');
  await same(`${source}@two`, `${target.server}/three-copy`);
  await send('three@one');
  await shell(`printf x >> ${file}; printf 'y' | dd of=${file} bs=1 seek=500 conv=notrunc 2>&1`);
  await t.throwsAsync(receive('other'), { message: /damaged|no stream/ });
});

testQemu('a stream that broke off is gone on with where it was durable', async (t) => {
  const cwd = directory(t);
  const { from, source, target, to } = await between('broken', '256M');
  const runMiB = long ? 64 : 16;
  await qemuIo(source, `write -P 1 0 ${runMiB}M`, `write -P 2 128M ${runMiB}M`);
  await snapshot(from, 'broken@one');
  const file = join(cwd, 'stream');
  await ashlar(from, 'volume send broken@one', `> ${file}`);
  truncateSync(file, (runMiB + 6) * MiB + 123);
  const { message } = (await t.throwsAsync(ashlar(to, 'volume receive broken-copy', `< ${file}`)))!;
  const offset = Number(/--from-offset (\d+)/.exec(message)?.[1]);
  t.true(offset > 128 * MiB && offset < 140 * MiB, message);
  await ashlar(from, `volume send broken@one --from-offset ${offset}`, `> ${file}`);
  await t.throwsAsync(ashlar(to, 'volume receive broken-copy', `< ${file}`), { message: /say --resume/ });
  await ashlar(to, 'volume receive broken-copy --resume', `< ${file}`);
  await same(`${source}@one`, `${target.server}/broken-copy`);
  await same(`${source}@one`, `${target.server}/broken-copy@one`);
});

testQemu('a stream of changes that broke off is gone on with by the same changes only', async (t) => {
  const cwd = directory(t);
  const { from, source, target, to } = await between('parts', '64M');
  const file = join(cwd, 'stream');
  const send = (what: string): Promise<string> => ashlar(from, `volume send ${what}`, `> ${file}`);
  await qemuIo(source, 'write -P 1 0 32M');
  await snapshot(from, 'parts@one');
  await qemuIo(source, 'write -P 2 0 8M', 'discard 16M 8M');
  await snapshot(from, 'parts@two');
  await send('parts@one');
  await ashlar(to, 'volume receive parts-copy', `< ${file}`);
  await send('parts@one..two');
  truncateSync(file, 4 * MiB + 123);
  await t.throwsAsync(ashlar(to, 'volume receive parts-copy', `< ${file}`), { message: /broke off/ });
  // The whole of it says nothing of what is zero in it, and was not before.
  await send('parts@two --from-offset 1048576');
  await t.throwsAsync(ashlar(to, 'volume receive parts-copy --resume', `< ${file}`), {
    message: /the one that broke off goes on from the snapshot/,
  });
  await send('parts@one..two --from-offset 1048576');
  await ashlar(to, 'volume receive parts-copy --resume', `< ${file}`);
  await same(`${source}@two`, `${target.server}/parts-copy@two`);
});

testQemu('a stream is gone on with after kill -9 of the server that received it', async (t) => {
  const cwd = directory(t);
  const { data: from, volume } = await sender();
  const source = await volume('large', '1G');
  const to = join(cwd, 'to');
  const first = await serve(t, to, '1M');
  const data = long ? ['write -P 1 0 320M'] : ['write -P 1 0 20M', 'write -P 1 280M 40M'];
  await qemuIo(source, ...data, 'write -P 2 600M 20M');
  await snapshot(from, 'large@one');
  const file = join(cwd, 'stream');
  await ashlar(from, 'volume send large@one', `> ${file}`);
  // The pipe stays open behind the first 300 MiB of the volume, of which 256 MiB are on record.
  const pipe = join(cwd, 'pipe');
  await shell(`mkfifo ${pipe}`);
  const writer = createWriteStream(pipe).on('error', () => undefined);
  t.teardown(() => writer.destroy());
  createReadStream(file, { end: (long ? 300 : 40) * MiB }).pipe(writer, { end: false });
  const receiving = ashlar(to, 'volume receive received', `< ${pipe}`);
  const broken = t.throwsAsync(receiving, { message: /--resume/ });
  const offsetOf = async (): Promise<number> => {
    const shown = await admin(to, 'GET', '/v1/volumes/received').catch(() => '{}');
    return (JSON.parse(shown) as { receiving?: { offset: number } }).receiving?.offset ?? 0;
  };
  while ((await offsetOf()) < 256 * MiB) await new Promise((resolve) => setTimeout(resolve, 100));
  await first.kill();
  await broken;
  const second = await serve(t, to, '1M');
  const offset = await offsetOf();
  t.true(offset >= 256 * MiB && offset < 400 * MiB, String(offset));
  await ashlar(from, `volume send large@one --from-offset ${offset}`, `> ${file}`);
  await ashlar(to, 'volume receive received --resume', `< ${file}`);
  await same(`${source}@one`, `${second.server}/received@one`);
});
