import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { AshlarError, MiB, type BlockDevice } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import type { StatusView, VolumeView } from './index.ts';
import { isAnotherMachine } from './another-machine.ts';
import { bySocket, directory, json, start, type Running } from './running.ts';

const bytes = Buffer.alloc(MiB, 'from another machine');

const attach = (uri: string): Promise<BlockDevice> => openNbd(uri, { reconnectMs: 0 });

/** What is done to a server in its own process; then it gets the signal. `clients`: where it takes them to be. */
async function usedThenEnded(
  t: ExecutionContext,
  data: string,
  signal: 'SIGKILL' | 'SIGTERM',
  use: (uri: string) => Promise<void>,
  clients: 'elsewhere' | 'here' = 'elsewhere',
): Promise<void> {
  const script = fileURLToPath(new URL('./killable.ts', import.meta.url));
  const child = spawn(process.execPath, [script, data, clients], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  await use(line.toString().trim());
  child.kill(signal);
  await exited;
}

function writtenThenEnded(
  t: ExecutionContext,
  data: string,
  signal: 'SIGKILL' | 'SIGTERM',
  clients: 'elsewhere' | 'here' = 'elsewhere',
): Promise<void> {
  const write = async (uri: string): Promise<void> => {
    const device = await attach(uri);
    await device.write(0, bytes, false);
    await device.close();
  };
  return usedThenEnded(t, data, signal, write, clients);
}

/** A server in this process, on the same data, after another boot of the machine where one is named. */
async function again(t: ExecutionContext, data: string, bootId?: string, text = ''): Promise<Running> {
  const up = await start(data, text, [], {
    isAnother: () => true,
    ...(bootId === undefined ? {} : { bootId }),
  });
  t.teardown(() => up.server.stop());
  return up;
}

const uriOf = ({ server }: Running): string => server.urisOf('demo')[0] ?? '';

const volumeOf = async (up: Running): Promise<VolumeView> => json(await bySocket(up, 'GET', '/v1/volumes/demo'));

const metrics = async (up: Running): Promise<string> => (await bySocket(up, 'GET', '/metrics')).text;

test('after a loss of power a volume written from another machine is refused until it is accepted', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGKILL');
  const up = await again(t, data, 'the next boot');
  const error = await t.throwsAsync(() => attach(uriOf(up)), { instanceOf: AshlarError });
  t.is(error?.kind, 'denied');
  t.regex(error?.message ?? '', /is held.*may be missing.*ashlar volume accept demo/);
  const held = await volumeOf(up);
  t.is(held.state, 'held');
  t.regex(held.reason ?? '', /ashlar volume accept demo/);
  t.deepEqual(json<StatusView>(await bySocket(up, 'GET', '/v1/status')).held, ['demo']);
  t.regex(await metrics(up), /^ashlar_volume_held\{volume="demo"\} 1$/m);

  t.is((await bySocket(up, 'POST', '/v1/volumes/demo/accept')).status, 200);
  t.is((await volumeOf(up)).state, 'ok');
  t.regex(await metrics(up), /^ashlar_volume_held\{volume="demo"\} 0$/m);
  const device = await attach(uriOf(up));
  const found = Buffer.alloc(bytes.length);
  await device.read(0, found);
  t.deepEqual(found, bytes);
  await device.close();
});

test('after-loss = "serve" in the configuration holds no volume that says nothing itself; a reload may change it', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGKILL');
  const up = await again(t, data, 'the next boot', 'after-loss = "serve"\n');
  t.like(await volumeOf(up), { state: 'ok', afterLoss: 'serve' });
  writeFileSync(up.file, '');
  t.deepEqual((await up.server.reload()).applied, ['after-loss']);
  t.like(await volumeOf(up), { state: 'held', afterLoss: 'hold' });
  writeFileSync(up.file, 'after-loss = "serve"\n');
  await up.server.reload();
  const device = await attach(uriOf(up));
  const found = Buffer.alloc(bytes.length);
  await device.read(0, found);
  t.deepEqual(found, bytes);
  await device.close();
});

test('a volume that is held stays so over clean stops and later boots', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGKILL');
  const first = await start(data, '', [], { bootId: 'the next boot' });
  t.is((await volumeOf(first)).state, 'held');
  await first.server.stop();
  const second = await again(t, data, 'the boot after that');
  t.is((await volumeOf(second)).state, 'held');
  await t.throwsAsync(() => attach(uriOf(second)), { message: /is held/ });
});

test('a process that was killed on a machine that lives on holds nothing', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGKILL');
  const up = await again(t, data);
  t.is((await volumeOf(up)).state, 'ok');
  await (await attach(uriOf(up))).close();
});

test('a loss after a clean stop holds nothing that was written before it', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGTERM');
  await usedThenEnded(t, data, 'SIGKILL', async () => undefined);
  const up = await again(t, data, 'the next boot');
  t.is(json<StatusView>(await bySocket(up, 'GET', '/v1/status')).pool.lossGeneration, 1);
  t.is((await volumeOf(up)).state, 'ok');
  await (await attach(uriOf(up))).close();
});

test('a volume of after-loss = serve is served after a loss', async (t) => {
  const data = join(directory(t), 'data');
  const first = await start(data);
  const made = await bySocket(first, 'POST', '/v1/volumes', { name: 'demo', size: 64 * MiB, afterLoss: 'serve' });
  t.is(json<VolumeView>(made).afterLoss, 'serve');
  await first.server.stop();
  await writtenThenEnded(t, data, 'SIGKILL');
  const up = await again(t, data, 'the next boot');
  t.like(json<StatusView>(await bySocket(up, 'GET', '/v1/status')), { held: [] });
  t.is(json<StatusView>(await bySocket(up, 'GET', '/v1/status')).pool.lossGeneration, 1);
  await (await attach(uriOf(up))).close();
});

test('after a loss of power a volume that only this machine wrote is served', async (t) => {
  const data = join(directory(t), 'data');
  await writtenThenEnded(t, data, 'SIGKILL', 'here');
  const up = await again(t, data, 'the next boot');
  t.is(json<StatusView>(await bySocket(up, 'GET', '/v1/status')).pool.lossGeneration, 1);
  t.is((await volumeOf(up)).state, 'ok');
});

test("the Unix socket, loopback and this machine's own addresses are no other machine", (t) => {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const here = ['unix', '127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', ...own.map(({ address }) => address)];
  for (const address of here) t.false(isAnotherMachine(address), address);
  for (const { address, family } of own) if (family === 'IPv4') t.false(isAnotherMachine(`::ffff:${address}`), address);
  for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::7']) t.true(isAnotherMachine(address), address);
});
