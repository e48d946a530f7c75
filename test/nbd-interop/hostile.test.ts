import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import test, { type ExecutionContext } from 'ava';
import { directory, long, serve } from '../clients/served.ts';
import { ashlar } from '../faults/ashlar.ts';
import { fuzz } from './fuzz.ts';
import { clientFlags, compact, option } from './recordings.ts';

const MiB = 2 ** 20;
const marked = new Uint8Array(4096).fill(0x5a);

type Status = { readonly connections: number; readonly memory: { readonly residentBytes: number } };

/** A server with a client that works all the time, and what the server says of itself. */
async function started(t: ExecutionContext) {
  const data = join(directory(t), 'data');
  const server = await serve(t, data, '64M');
  const other = await openNbd(server.uri, { reconnectMs: 0 });
  t.teardown(() => other.close());
  await other.write(48 * MiB, marked, false);
  const status = async (): Promise<Status> =>
    JSON.parse((await ashlar('status', '--data', data, '--json')).out) as Status;
  const open = (): Socket => {
    const socket = connect(Number(server.port), '127.0.0.1').on('error', () => undefined);
    t.teardown(() => void socket.destroy());
    return socket;
  };
  return { data, other, status, open };
}

async function works(t: ExecutionContext, other: BlockDevice): Promise<void> {
  const into = new Uint8Array(4096);
  for (let round = 0; round < 20; round += 1) {
    await other.write(48 * MiB + 4096, marked, false);
    await other.read(48 * MiB, into);
  }
  t.deepEqual(into, marked);
}

/** The connections that the server has once those that left are gone. */
async function left(status: () => Promise<Status>): Promise<number> {
  let found = 0;
  for (let tries = 0; tries < 20; tries += 1) {
    found = (await status()).connections;
    if (found === 1) break;
  }
  return found;
}

const handshakeTo = (name: string): Buffer => Buffer.concat([clientFlags, option(1, Buffer.from(name))]);

const request = (type: number, offset: number, length: number): Buffer => compact({ type, offset, length });

const idle = long ? 1000 : 250;

test(`${idle} idle connections disturb nobody and cost little`, async (t) => {
  const { other, status, open } = await started(t);
  const before = await status();
  const sockets = Array.from({ length: idle }, open);
  await Promise.all(
    sockets.map(async (socket) => {
      await once(socket, 'data');
      socket.write(handshakeTo('demo'));
      await once(socket, 'data');
    }),
  );
  const during = await status();
  t.is(during.connections, idle + 1);
  t.true(during.memory.residentBytes - before.memory.residentBytes < idle * 64 * 1024 + 32 * MiB);
  await works(t, other);
  for (const socket of sockets) socket.destroy();
  t.is(await left(status), 1);
});

test('a client that asks for much and never reads is bounded, and disturbs nobody', async (t) => {
  const { other, status, open } = await started(t);
  const before = await status();
  const sockets = Array.from({ length: 4 }, open);
  for (const socket of sockets) {
    socket.pause();
    socket.write(handshakeTo('demo'));
    for (let count = 0; count < 2000; count += 1) socket.write(request(0, (count % 32) * MiB, MiB));
  }
  await works(t, other);
  const during = await status();
  const grown = during.memory.residentBytes - before.memory.residentBytes;
  t.true(grown < 512 * MiB, `8 GiB were asked for, and memory grew by ${Math.round(grown / MiB)} MiB`);
  await works(t, other);
  for (const socket of sockets) socket.destroy();
  t.is(await left(status), 1);
});

test('a client that sends the head of a write and stops, and one that leaves in its middle, cost nothing', async (t) => {
  const { other, status, open } = await started(t);
  const stopped = open();
  stopped.write(Buffer.concat([handshakeTo('demo'), request(1, 0, 32 * MiB)]));
  const half = open();
  half.write(Buffer.concat([handshakeTo('demo'), request(1, 4 * MiB, MiB), Buffer.alloc(MiB / 2, 0xee)]));
  await Promise.all([once(stopped, 'data'), once(half, 'data')]);
  await works(t, other);
  half.destroy();
  stopped.destroy();
  t.is(await left(status), 1);
  const into = new Uint8Array(MiB);
  await other.read(4 * MiB, into);
  t.true(
    into.every((byte) => byte === 0),
    'nothing of a write that never came whole is there',
  );
});

test('a client that says nothing in the handshake is shown out', async (t) => {
  const { other, status, open } = await started(t);
  const silent = open();
  silent.resume();
  await once(silent, 'close');
  t.is(await left(status), 1);
  await works(t, other);
});

const sessions = long ? 20_000 : 500;

test(`${sessions} sessions of nonsense leave a whole server as it was`, async (t) => {
  t.timeout(long ? 30 * 60_000 : 120_000);
  const { data, status } = await started(t);
  const socket = join(data, 'nbd.sock');
  t.is((await ashlar('volume', 'create', 'disk', '--size', '8M', '--data', data)).status, 0);
  const kept = await openNbd(`nbd+unix:///demo?socket=${socket}`, { reconnectMs: 0 });
  await kept.write(0, marked, false);
  const before = await status();
  await fuzz(socket, kept, sessions);
  await kept.close();
  t.is(await left(status), 1);
  const grown = (await status()).memory.residentBytes - before.memory.residentBytes;
  t.true(grown < 256 * MiB, `memory grew by ${Math.round(grown / MiB)} MiB`);
});
