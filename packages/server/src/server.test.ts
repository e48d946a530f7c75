import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { AshlarError, GiB, MiB } from '@ashlar/core';
import { createLogger, loadConfig, Server, type ExportView, type StatusView, type VolumeView } from './index.ts';
import { byPort, bySocket, directory, json, running, start } from './running.ts';

test('a volume lives through the API: made, shown, resized, renamed, limited, removed', async (t) => {
  const up = await running(t);
  const made = await bySocket(up, 'POST', '/v1/volumes', { name: 'demo', size: '10G' });
  t.is(made.status, 201);
  t.like(json<VolumeView>(made), {
    name: 'demo',
    sizeBytes: 10 * GiB,
    allocatedBytes: 0,
    exports: ['demo'],
    connections: 0,
  });
  const grown = await bySocket(up, 'PATCH', '/v1/volumes/demo', {
    size: 20 * GiB,
    name: 'data',
    limits: { read: { bytesPerSecond: 1e6 } },
  });
  t.like(json<VolumeView>(grown), { name: 'data', sizeBytes: 20 * GiB, exports: ['data'] });
  t.deepEqual(json<VolumeView>(grown).limits, { read: { bytesPerSecond: 1e6 } });
  t.is(json<VolumeView[]>(await bySocket(up, 'GET', '/v1/volumes')).length, 1);
  t.false('exclusiveBytes' in json<VolumeView>(await bySocket(up, 'GET', '/v1/volumes/data')));
  const space = await bySocket(up, 'GET', '/v1/volumes/data?space=true');
  t.like(json<VolumeView>(space), { allocatedBytes: 0, exclusiveBytes: 0, sharedBytes: 0 });
  t.is((await bySocket(up, 'DELETE', '/v1/volumes/data')).status, 204);
  t.is((await bySocket(up, 'GET', '/v1/volumes/data')).status, 404);
});

test('a volume is compressed as it says or the configuration does, and says by how much', async (t) => {
  const up = await running(t, 'compression = "zstd"\n');
  const made = await bySocket(up, 'POST', '/v1/volumes', { name: 'demo', size: MiB });
  t.like(json<VolumeView>(made), { compression: 'zstd', allocatedBytes: 0, uncompressedBytes: 0 });
  const plain = await bySocket(up, 'POST', '/v1/volumes', { name: 'plain', size: MiB, compression: 'off' });
  t.like(json<VolumeView>(plain), { compression: 'off' });
  const changed = await bySocket(up, 'PATCH', '/v1/volumes/plain', { compression: 'zstd' });
  t.like(json<VolumeView>(changed), { compression: 'zstd' });
  const other = await bySocket(up, 'PATCH', '/v1/volumes/plain', { compression: 'lzo' });
  t.is(other.status, 400);
  const thick = { name: 'thick', size: MiB, preallocation: 'falloc' };
  t.is((await bySocket(up, 'POST', '/v1/volumes', { ...thick, compression: 'zstd' })).status, 400);
  t.like(json<VolumeView>(await bySocket(up, 'POST', '/v1/volumes', thick)), {
    compression: 'off',
    allocatedBytes: MiB,
    uncompressedBytes: MiB,
  });
  const metrics = await bySocket(up, 'GET', '/metrics');
  t.regex(metrics.text, /ashlar_volume_uncompressed_bytes\{volume="thick"\} 1048576/);
});

test('an export of a raw file is tried before it is offered', async (t) => {
  const up = await running(t);
  const path = join(directory(t), 'disk.raw');
  const missing = await bySocket(up, 'POST', '/v1/exports', { name: 'raw', source: `file://${path}`, readOnly: true });
  t.is(missing.status, 404);
  t.deepEqual(json<ExportView[]>(await bySocket(up, 'GET', '/v1/exports')), []);
  t.like(json<{ devices: unknown[] }>(await bySocket(up, 'GET', '/v1/statistics')), { devices: [] });
  writeFileSync(path, Buffer.alloc(MiB));
  const made = await bySocket(up, 'POST', '/v1/exports', { name: 'raw', source: `file://${path}`, readOnly: true });
  t.like(json<ExportView>(made), { name: 'raw', uri: `file://${path}`, readOnly: true });
  t.regex(json<ExportView>(made).uris[0] ?? '', /^nbd:\/\/127\.0\.0\.1:\d+\/raw$/);
  t.is((await bySocket(up, 'DELETE', '/v1/exports/raw')).status, 204);
});

test('errors come with their kind, a sentence and a fitting status', async (t) => {
  const up = await running(t, '', [{ name: 'demo', sizeBytes: MiB }]);
  const cases: [string, string, object | undefined, number, string][] = [
    ['GET', '/v1/volumes/none', undefined, 404, 'not-found'],
    ['GET', '/v1/nothing', undefined, 404, 'not-found'],
    ['POST', '/v1/volumes', { name: 'demo', size: MiB }, 409, 'exists'],
    ['POST', '/v1/volumes', { name: 'a/b', size: MiB }, 400, 'invalid'],
    ['POST', '/v1/volumes', { name: 'a' }, 400, 'invalid'],
    ['POST', '/v1/volumes', { name: 'a', size: 'lots' }, 400, 'invalid'],
    ['POST', '/v1/volumes', { name: 'a', size: MiB, colour: 'red' }, 400, 'invalid'],
    ['PATCH', '/v1/volumes/demo', { size: 512 }, 400, 'invalid'],
    ['DELETE', '/v1/connections/7', undefined, 404, 'not-found'],
    ['GET', '/v1/volumes/%ff', undefined, 400, 'invalid'],
  ];
  for (const [method, path, body, status, kind] of cases) {
    const answer = await bySocket(up, method, path, body);
    t.is(answer.status, status, `${method} ${path}`);
    const { error } = json<{ error: { kind: string; message: string } }>(answer);
    t.is(error.kind, kind, `${method} ${path}`);
    t.regex(error.message, /\w+ \w+/);
  }
});

test('over TCP the token is needed, except for health and the API description', async (t) => {
  const up = await running(t);
  t.is((await byPort(up, '/v1/status')).status, 401);
  t.is((await byPort(up, '/v1/status', 'wrong')).status, 401);
  t.is((await byPort(up, '/metrics')).status, 401);
  t.is((await byPort(up, '/v1/status', up.server.token)).status, 200);
  for (const path of ['/health/live', '/health/ready', '/openapi.json'])
    t.is((await byPort(up, path)).status, 200, path);
});

test('the token and the sockets are for the owner only, and the token stays', async (t) => {
  const data = join(directory(t), 'data');
  const { server } = await start(data);
  const { token, addresses } = server;
  for (const path of [join(data, 'token'), addresses.adminSocket, addresses.nbdSocket ?? '']) {
    t.is(statSync(path).mode & 0o077, 0, path);
  }
  await server.stop();
  const again = await start(data);
  t.is(again.server.token, token);
  await again.server.stop();
});

test('what was made is there after a restart, and its address is free again', async (t) => {
  const data = join(directory(t), 'data');
  const first = await start(data, '', [{ name: 'demo', sizeBytes: GiB }]);
  await first.server.stop();
  const second = await start(data, '', [{ name: 'demo', sizeBytes: GiB }]);
  t.deepEqual(second.server.exportsOver('nbd'), ['demo']);
  await second.server.stop();
});

test('a volume asked for at the start that is there with another size is told', async (t) => {
  const data = join(directory(t), 'data');
  await (await start(data, '', [{ name: 'demo', sizeBytes: GiB }])).server.stop();
  const error = await t.throwsAsync(() => start(data, '', [{ name: 'demo', sizeBytes: 2 * GiB }]), {
    instanceOf: AshlarError,
  });
  t.is(error?.kind, 'exists');
  t.regex(error?.message ?? '', /has 1 GiB .* and not 2 GiB/);
});

test('a second server on one pool is refused with a sentence', async (t) => {
  const { data } = await running(t);
  const error = await t.throwsAsync(() => start(data), { instanceOf: AshlarError });
  t.is(error?.kind, 'busy');
  t.regex(error?.message ?? '', /in use by another server/);
});

test('a port that is in use is told with the key that changes it', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const { port } = other.address() as { port: number };
  const data = join(directory(t), 'data');
  const loaded = loadConfig({
    file: '/dev/null',
    environment: {},
    overrides: { data, 'nbd.port': port, 'admin.port': 0 },
  });
  const options = {
    loaded,
    reload: () => loaded,
    volumes: [],
    logger: createLogger('silent'),
    passed: [],
    onDeath: () => t.fail(),
  };
  const error = await t.throwsAsync(() => Server.start(options), { instanceOf: AshlarError });
  t.is(
    error?.message,
    `port ${port} on 127.0.0.1 is in use: stop what listens there, or set nbd.port to another (0 takes a free one)`,
  );
});

test('a socket that a dead server left is replaced, one that lives is not', async (t) => {
  const data = join(directory(t), 'data');
  const { server } = await start(data);
  const path = server.addresses.nbdSocket ?? '';
  await server.stop();
  const holder = createServer();
  await new Promise<void>((resolve) => void holder.listen(path, resolve));
  const error = await t.throwsAsync(() => start(data), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', /nbd\.sock is in use by another server/);
  await new Promise((resolve) => holder.close(resolve));
  writeFileSync(path, '');
  const noSocket = await t.throwsAsync(() => start(data), { instanceOf: AshlarError });
  t.regex(noSocket?.message ?? '', /is no socket: remove it/);
});

test('status shows the addresses, the pool and the counts', async (t) => {
  const up = await running(t, '', [{ name: 'demo', sizeBytes: GiB }]);
  const status = json<StatusView>(await bySocket(up, 'GET', '/v1/status'));
  t.like(status, {
    state: 'ready',
    pid: process.pid,
    data: up.data,
    volumes: 1,
    exports: 1,
    connections: 0,
    workers: 1,
  });
  t.is(status.pool.state, 'ok');
  t.true(status.pool.freeBytes > 0);
  t.deepEqual(status.nbd.addresses, up.server.addresses.nbd);
});

test('metrics are in the text format, with every volume from its start', async (t) => {
  const up = await running(t, '', [{ name: 'demo', sizeBytes: GiB }]);
  const { text, type } = await bySocket(up, 'GET', '/metrics');
  t.regex(type, /^text\/plain; version=0\.0\.4/);
  for (const line of [
    'ashlar_volume_size_bytes{volume="demo"} 1073741824',
    'ashlar_operations_total{volume="demo",operation="read"} 0',
    'ashlar_bytes_total{volume="demo",operation="write"} 0',
    'ashlar_queue_depth{volume="demo",operation="flush"} 0',
    'ashlar_errors_total{volume="demo",operation="read",kind="io"} 0',
    'ashlar_operation_duration_seconds_bucket{le="+Inf",volume="demo",operation="read"} 0',
    'ashlar_operation_duration_seconds_count{volume="demo",operation="read"} 0',
    'ashlar_pool_state{state="ok"} 1',
    'ashlar_connections{export="demo"} 0',
    'ashlar_info{version="0.1.0"} 1',
  ]) {
    const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (.*)$/.exec(line) ?? [];
    const found = text.split('\n').find((each) => {
      const [, n, l, v] = /^(\w+)\{(.*)\} (.*)$/.exec(each) ?? [];
      return n === name && v === value && labels.split(',').every((label) => l?.split(',').includes(label));
    });
    t.truthy(found, line);
  }
});

test('a reload takes what it can, names what needs a restart, and refuses faults', async (t) => {
  const up = await running(t, 'drain-seconds = 1\n');
  writeFileSync(up.file, 'drain-seconds = 2\n[nbd]\nallow = ["10.0.0.0/8"]\n[store]\ncache-size = "1M"\n');
  const { text } = await bySocket(up, 'POST', '/v1/reload', {});
  t.deepEqual(JSON.parse(text), { applied: ['drain-seconds', 'nbd.allow'], needRestart: ['store.cache-size'] });
  writeFileSync(up.file, '[nbd]\nprot = 1\n');
  const refused = await bySocket(up, 'POST', '/v1/reload', {});
  t.is(refused.status, 400);
  t.regex(refused.text, /did you mean port/);
  t.is(json<Record<string, unknown>>(await bySocket(up, 'GET', '/v1/config'))['drain-seconds'], 2);
});
