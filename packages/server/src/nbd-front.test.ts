import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { AshlarError, MiB, type BlockDevice } from '@ashlar/core';
import { listNbd, openNbd as openClient, type NbdClientOptions } from '@ashlar/nbd';
import type { ConnectionView, StatisticsView, StatusView, VolumeView } from './index.ts';
import { bySocket, directory, json, running, start, type Running } from './running.ts';

const demo = [{ name: 'demo', sizeBytes: 64 * MiB }];

const uriOf = ({ server }: Running, name: string): string => server.urisOf(name)[0] ?? '';
const socketUriOf = ({ server }: Running, name: string): string => server.urisOf(name)[1] ?? '';

/** A client that does not come back when its connection is lost. */
const openNbd = (uri: string, options: NbdClientOptions): Promise<BlockDevice> =>
  openClient(uri, { reconnectMs: 0, ...options });

async function readBack(device: BlockDevice, offset: number, length: number): Promise<Buffer> {
  const into = Buffer.alloc(length, 0xff);
  await device.read(offset, into);
  return into;
}

test('what one client wrote another reads, by port and by socket', async (t) => {
  const up = await running(t, '', demo);
  const writer = await openNbd(uriOf(up, 'demo'), { connections: 2 });
  const reader = await openNbd(socketUriOf(up, 'demo'), {});
  const bytes = Buffer.alloc(300_000, 'ashlar');
  await writer.write(4096, bytes, false);
  t.deepEqual(await readBack(reader, 4096, bytes.length), bytes);
  await writer.trim(4096, 4096, false);
  t.deepEqual(await readBack(reader, 4096, 4096), Buffer.alloc(4096));
  await reader.flush();
  t.is((await bySocket(up, 'GET', '/v1/connections').then(json<ConnectionView[]>)).length, 3);
  await writer.close();
  await reader.close();
});

test('CACHE brings blocks of a volume to the cache of the store', async (t) => {
  const data = join(directory(t), 'data');
  const first = await start(data, '', demo);
  const writer = await openNbd(uriOf(first, 'demo'), {});
  await writer.write(0, Buffer.alloc(8 * MiB, 'cached'), false);
  await writer.close();
  await first.server.stop();
  const second = await start(data, '', demo);
  t.teardown(() => second.server.stop());
  const client = await openNbd(uriOf(second, 'demo'), {});
  const cacheBytes = async (): Promise<number> =>
    json<StatusView>(await bySocket(second, 'GET', '/v1/status')).pool.cacheBytes;
  const before = await cacheBytes();
  await client.prefetch(0, 64 * MiB);
  t.true((await cacheBytes()) - before >= 8 * MiB);
  await client.close();
});

test('what was acknowledged is there after a stop and a start', async (t) => {
  const data = join(directory(t), 'data');
  const bytes = Buffer.alloc(MiB, 'kept');
  const first = await start(data, '', demo);
  const writer = await openNbd(uriOf(first, 'demo'), {});
  await writer.write(12345, bytes, false);
  await writer.close();
  await first.server.stop();
  const second = await start(data, '', demo);
  const reader = await openNbd(uriOf(second, 'demo'), {});
  t.deepEqual(await readBack(reader, 12345, bytes.length), bytes);
  await reader.close();
  await second.server.stop();
});

test('exports are listed, and the empty name is the only one', async (t) => {
  const up = await running(t, '', demo);
  t.deepEqual(await listNbd(uriOf(up, ''), {}), ['demo']);
  const device = await openNbd(uriOf(up, ''), {});
  t.is(device.sizeBytes, 64 * MiB);
  await device.close();
  await bySocket(up, 'POST', '/v1/volumes', { name: 'other', size: MiB });
  await t.throwsAsync(() => openNbd(uriOf(up, ''), {}));
});

test('an export that is not there is refused', async (t) => {
  const up = await running(t, '', demo);
  const error = await t.throwsAsync(() => openNbd(uriOf(up, 'none'), {}), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', /none/);
});

test('a read-only export refuses writes and shows what a writable one wrote', async (t) => {
  const up = await running(t, '', demo);
  await bySocket(up, 'POST', '/v1/exports', { name: 'look', source: 'demo', readOnly: true });
  const writer = await openNbd(uriOf(up, 'demo'), {});
  const reader = await openNbd(uriOf(up, 'look'), {});
  t.true(reader.readOnly);
  await writer.write(0, Buffer.alloc(512, 7), false);
  t.deepEqual(await readBack(reader, 0, 512), Buffer.alloc(512, 7));
  await writer.close();
  await reader.close();
});

test('a raw file is served as it is, and can be replaced when nobody is attached', async (t) => {
  const up = await running(t);
  const path = join(directory(t), 'disk.raw');
  for (const [letter, sizeBytes] of [
    ['a', MiB],
    ['b', 2 * MiB],
  ] as const) {
    writeFileSync(path, Buffer.alloc(sizeBytes, letter));
    if (letter === 'a') await bySocket(up, 'POST', '/v1/exports', { name: 'raw', source: `file://${path}` });
    const device = await openNbd(uriOf(up, 'raw'), {});
    t.is(device.sizeBytes, sizeBytes);
    t.deepEqual(await readBack(device, 0, 512), Buffer.alloc(512, letter));
    await device.close();
  }
});

test('an export is for the addresses that it names', async (t) => {
  const up = await running(t, '', demo);
  await bySocket(up, 'POST', '/v1/exports', { name: 'far', source: 'demo', allow: ['10.0.0.0/8'] });
  await bySocket(up, 'POST', '/v1/exports', { name: 'near', source: 'demo', allow: ['127.0.0.0/8'] });
  const error = await t.throwsAsync(() => openNbd(uriOf(up, 'far'), {}), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', /127\.0\.0\.1 may not attach to the export 'far'/);
  await (await openNbd(uriOf(up, 'near'), {})).close();
  await (await openNbd(socketUriOf(up, 'far'), {})).close();
  t.deepEqual((await listNbd(uriOf(up, ''), {})).toSorted(), ['demo', 'near']);
});

test('a volume that a client uses is removed only by force, which ends the connection', async (t) => {
  const up = await running(t, '', demo);
  const device = await openNbd(uriOf(up, 'demo'), {});
  await readBack(device, 0, 512);
  const refused = await bySocket(up, 'DELETE', '/v1/volumes/demo');
  t.is(refused.status, 409);
  t.regex(refused.text, /a client is attached to the volume: detach first, or say --force/);
  t.is((await bySocket(up, 'DELETE', '/v1/exports/demo')).status, 409);
  t.is((await bySocket(up, 'DELETE', '/v1/volumes/demo?force=true')).status, 204);
  await t.throwsAsync(async () => device.read(0, Buffer.alloc(512)));
  await device.close();
});

test('a volume that grows shows its size to the next client and takes writes there', async (t) => {
  const up = await running(t, '', demo);
  const before = await openNbd(uriOf(up, 'demo'), {});
  await bySocket(up, 'PATCH', '/v1/volumes/demo', { size: 128 * MiB });
  const after = await openNbd(uriOf(up, 'demo'), {});
  t.is(after.sizeBytes, 128 * MiB);
  await after.write(100 * MiB, Buffer.alloc(512, 1), true);
  t.is((await bySocket(up, 'GET', '/v1/volumes/demo').then(json<VolumeView>)).connections, 2);
  await before.close();
  await after.close();
});

test('one connection can be ended by its number', async (t) => {
  const up = await running(t, '', demo);
  const device = await openNbd(uriOf(up, 'demo'), {});
  await readBack(device, 0, 512);
  const [connection] = json<ConnectionView[]>(await bySocket(up, 'GET', '/v1/connections'));
  t.like(connection, { exportName: 'demo', tls: false });
  t.is((await bySocket(up, 'DELETE', `/v1/connections/${connection?.id}`)).status, 204);
  await t.throwsAsync(async () => device.read(0, Buffer.alloc(512)));
  await device.close();
});

test('operations, bytes and errors are counted by volume', async (t) => {
  const up = await running(t, '', demo);
  const device = await openNbd(uriOf(up, 'demo'), {});
  for (let index = 0; index < 5; index += 1) await device.write(index * 4096, Buffer.alloc(4096, 1), false);
  await device.read(0, Buffer.alloc(8192));
  await device.flush();
  const { devices } = json<StatisticsView>(await bySocket(up, 'GET', '/v1/statistics'));
  t.like(devices[0], { name: 'demo', kind: 'volume' });
  t.like(devices[0]?.operations['write'], { operations: 5, bytes: 5 * 4096, inFlight: 0, errors: 0 });
  t.like(devices[0]?.operations['read'], { operations: 1, bytes: 8192 });
  t.is(devices[0]?.operations['flush']?.operations, 1);
  const { text } = await bySocket(up, 'GET', '/metrics');
  t.regex(text, /ashlar_bytes_total\{volume="demo",operation="write"\} 20480/);
  t.regex(text, /ashlar_connections\{export="demo"\} 1/);
  t.regex(text, /ashlar_connections_total\{result="attached"\} 1/);
  await device.close();
});

test('one connection more than allowed is refused, and room comes back', async (t) => {
  const up = await running(t, '[nbd]\nmax-connections = 2\n', demo);
  const devices = [await openNbd(uriOf(up, 'demo'), {}), await openNbd(uriOf(up, 'demo'), {})];
  await t.throwsAsync(() => openNbd(uriOf(up, 'demo'), {}));
  for (const device of devices) await device.close();
  for (;;) {
    const again = await openNbd(uriOf(up, 'demo'), {}).catch(() => undefined);
    if (again === undefined) continue;
    await again.close();
    break;
  }
  t.pass();
});

test('a client that says nothing is let go after the time for a handshake', async (t) => {
  const up = await running(t, '[nbd]\nhandshake-seconds = 1\n', demo);
  const { port } = new URL(uriOf(up, 'demo').replace('nbd:', 'http:'));
  const socket = connect({ host: '127.0.0.1', port: Number(port) });
  socket.resume();
  await once(socket, 'close');
  t.pass();
});

test('a stop answers what was sent before it', async (t) => {
  const data = join(directory(t), 'data');
  const first = await start(data, '', demo);
  const device = await openNbd(uriOf(first, 'demo'), {});
  const writes = Array.from({ length: 64 }, async (_, index) => {
    await device.write(index * 65536, Buffer.alloc(65536, index), false);
  });
  const results = Promise.allSettled(writes);
  await first.server.stop();
  const acknowledged = (await results).map(({ status }) => status === 'fulfilled');
  await device.close();
  const second = await start(data, '', demo);
  const reader = await openNbd(uriOf(second, 'demo'), {});
  for (const [index, was] of acknowledged.entries()) {
    if (was) t.deepEqual(await readBack(reader, index * 65536, 65536), Buffer.alloc(65536, index));
  }
  await reader.close();
  await second.server.stop();
  t.pass();
});

test('clients that break off at any point of the handshake leave the server and the others alone', async (t) => {
  const up = await running(t, '', demo);
  const device = await openNbd(uriOf(up, 'demo'), {});
  const { port } = new URL(uriOf(up, 'demo').replace('nbd:', 'http:'));
  const starts = [
    Buffer.alloc(0),
    Buffer.alloc(2),
    Buffer.from([0, 0, 0, 3]),
    Buffer.from([0, 0, 0, 3, 0x49, 0x48]),
    Buffer.alloc(64, 0xff),
  ];
  const broken = Array.from({ length: 100 }, async (_, index) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    socket.on('error', () => undefined);
    await once(socket, 'data');
    socket.write(starts[index % starts.length] ?? '');
    const closed = once(socket, 'close');
    if (index % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
    await closed;
  });
  await Promise.all(broken);
  await device.write(0, Buffer.alloc(512, 9), true);
  t.deepEqual(await readBack(device, 0, 512), Buffer.alloc(512, 9));
  await (await openNbd(uriOf(up, 'demo'), {})).close();
  await device.close();
});

test('a client changes the size of a volume where its export says so, and never takes from others what they use', async (t) => {
  const data = join(directory(t), 'data');
  const up = await start(data, '', demo);
  const request = { name: 'grow', source: 'demo', resizable: true };
  t.is((await bySocket(up, 'POST', '/v1/exports', request)).status, 201);
  const plain = await openNbd(uriOf(up, 'demo'), {});
  t.is(plain.capabilities.resize, 'none');
  const client = await openNbd(uriOf(up, 'grow'), {});
  await client.resize(96 * MiB);
  await client.write(95 * MiB, Buffer.alloc(MiB, 'grown'), true);
  const { sizeBytes } = json<VolumeView>(await bySocket(up, 'GET', '/v1/volumes/demo'));
  t.is(sizeBytes, 96 * MiB);
  await t.throwsAsync(async () => client.resize(32 * MiB), { message: /other clients use the volume/ });
  await t.throwsAsync(async () => client.resize(96 * MiB + 1), { instanceOf: AshlarError });
  await plain.close();
  while (json<ConnectionView[]>(await bySocket(up, 'GET', '/v1/connections')).length > 1);
  await client.resize(32 * MiB);
  t.is(client.sizeBytes, 32 * MiB);
  await client.close();
  await up.server.stop();
  const again = await start(data, '', []);
  t.teardown(() => again.server.stop());
  const reader = await openNbd(uriOf(again, 'grow'), {});
  t.is(reader.sizeBytes, 32 * MiB);
  await reader.resize(96 * MiB);
  t.deepEqual(await readBack(reader, 95 * MiB, MiB), Buffer.alloc(MiB));
  await reader.close();
});

test('an export that is read-only, or of a file, is not resizable', async (t) => {
  const up = await running(t, '', demo);
  const add = (more: object) => bySocket(up, 'POST', '/v1/exports', { name: 'x', resizable: true, ...more });
  t.regex((await add({ source: 'demo', readOnly: true })).text, /cannot be resizable: it is read-only/);
  t.regex((await add({ source: 'file:///dev/null' })).text, /cannot be resizable: it is of no block volume/);
});
