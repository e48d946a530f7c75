import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GiB } from '@ashlar/core';
import { connectRpc, NfsClient, procedures, status, nothingSet } from '@ashlar/nfs';
import test from 'ava';
import type { ExportView, StatusView } from './index.ts';
import { bySocket, directory, json, start, type Running } from './running.ts';

type Test = Parameters<typeof directory>[0];
type Who = { readonly uid: number; readonly gid: number; readonly gids: readonly number[] };

const root: Who = { uid: 0, gid: 0, gids: [] };
const user: Who = { uid: 1000, gid: 100, gids: [] };

const quiet = '[log]\nlevel = "silent"\n';
let up: Running;
let next = 0;

const tidying: (() => void | Promise<unknown>)[] = [];

test.before(async () => {
  const data = join(directory({ teardown: (tidy) => tidying.push(tidy) }), 'data');
  up = await start(data, quiet, [{ name: 'home', sizeBytes: GiB, type: 'file' }]);
  const { client, handle } = await mounted('/home');
  const args = { handle, attributes: { ...nothingSet, mode: 0o1777 }, guard: undefined };
  await client.call(procedures.setAttributes, args);
  client.close();
});
test.after.always(async () => {
  await up.server.stop();
  for (const tidy of tidying) await tidy();
});

async function connect(who: Who = root): Promise<NfsClient> {
  const [, port = ''] = /:(\d+)$/.exec(up.server.addresses.nfs[0] ?? '') ?? [];
  const sys = { stamp: 1, machine: 'vm', ...who };
  return new NfsClient(await connectRpc({ host: '127.0.0.1', port: Number(port) }, { sys }));
}

async function mounted(path: string, who?: Who): Promise<{ client: NfsClient; handle: Uint8Array; status: number }> {
  const client = await connect(who);
  return { client, ...(await client.mount(path)) };
}

/** An export of its own, of the same volume. */
async function exported(t: Test, request: object): Promise<string> {
  const name = `e${(next += 1)}`;
  const made = await bySocket(up, 'POST', '/v1/exports', { name, source: 'home', ...request });
  if (made.status !== 201) throw new Error(made.text);
  t.teardown(() => bySocket(up, 'DELETE', `/v1/exports/${name}`));
  return name;
}

/** The same, mounted. */
async function using(t: Test, clients: string, who?: Who) {
  const name = await exported(t, { clients });
  const found = await mounted(`/${name}`, who);
  t.teardown(() => found.client.close());
  return { name, ...found };
}

const change = (name: string, body: object) => bySocket(up, 'PATCH', `/v1/exports/${name}`, body);

/** Makes a directory; gives the status, and whose it is. */
async function make(client: NfsClient, parent: Uint8Array) {
  const args = { directory: parent, name: Buffer.from(`d${(next += 1)}`), attributes: nothingSet };
  const { ok, status: found } = await client.call(procedures.makeDirectory, args);
  return { status: found, uid: ok?.after?.uid, gid: ok?.after?.gid };
}

const look = async (client: NfsClient, handle: Uint8Array): Promise<number> =>
  (await client.call(procedures.getAttributes, { handle })).status;

test.serial('each export of a volume has its own rules, whatever the others have', async (t) => {
  const name = await exported(t, { readOnly: true, nfs: { squash: 'all' } });
  const own = await mounted('/home');
  t.deepEqual(await make(own.client, own.handle), { status: status.ok, uid: 0, gid: 0 });
  const other = await mounted(`/${name}`);
  t.is((await make(other.client, other.handle)).status, status.readOnly);
  own.client.close();
  other.client.close();
});

test.serial('ro refuses every change, and rw takes it', async (t) => {
  const { client, handle, name } = await using(t, '*(ro)');
  t.is((await make(client, handle)).status, status.readOnly);
  t.is((await change(name, { clients: '*(rw)' })).status, 200);
  t.is((await make(client, handle)).status, status.ok);
});

test.serial('root_squash makes root nobody, and no_root_squash does not', async (t) => {
  const { client, handle, name } = await using(t, '*(rw)');
  t.deepEqual(await make(client, handle), { status: status.ok, uid: 65_534, gid: 65_534 });
  await change(name, { clients: '*(rw,no_root_squash)' });
  t.deepEqual(await make(client, handle), { status: status.ok, uid: 0, gid: 0 });
});

test.serial('all_squash makes everybody nobody, who is whom anonuid and anongid say', async (t) => {
  const { client, handle, name } = await using(t, '*(rw)', user);
  t.deepEqual(await make(client, handle), { status: status.ok, uid: 1000, gid: 100 });
  await change(name, { clients: '*(rw,all_squash)' });
  t.deepEqual(await make(client, handle), { status: status.ok, uid: 65_534, gid: 65_534 });
  await change(name, { clients: '*(rw,all_squash,anonuid=7,anongid=8)' });
  t.deepEqual(await make(client, handle), { status: status.ok, uid: 7, gid: 8 });
});

test.serial('sync makes a change durable before it is answered, and async does not', async (t) => {
  const { client, handle, name } = await using(t, '*(rw,async)');
  const syncs = async () => json<StatusView>(await bySocket(up, 'GET', '/v1/status')).pool.syncs;
  const before = await syncs();
  t.is((await make(client, handle)).status, status.ok);
  t.is(await syncs(), before);
  await change(name, { clients: '*(rw,sync)' });
  const between = await syncs();
  t.is((await make(client, handle)).status, status.ok);
  t.true((await syncs()) > between);
});

test.serial('a client that may not use it any more is told so at its next call, and keeps its handles', async (t) => {
  const { client, handle, name } = await using(t, '127.0.0.0/8(rw) 10.0.0.1(ro)');
  t.is(await look(client, handle), status.ok);
  await change(name, { clients: '10.0.0.1(ro)' });
  t.is(await look(client, handle), status.access);
  t.is((await client.mount(`/${name}`)).status, status.access);
  await change(name, { clients: '', allow: ['127.0.0.1'], nfs: { squash: 'root' } });
  t.is(await look(client, handle), status.ok);
  const view = json<ExportView>(await bySocket(up, 'GET', `/v1/exports/${name}`));
  t.like(view, { allow: ['127.0.0.1'], nfs: { squash: 'root', sync: true } });
  t.false('clients' in view);
});

test.serial('a handle of an export that was removed is stale, and is good again with it', async (t) => {
  const { client, handle, name } = await using(t, '*(rw)');
  await bySocket(up, 'DELETE', `/v1/exports/${name}`);
  t.is(await look(client, handle), status.stale);
  t.is((await client.mount(`/${name}`)).status, status.notFound);
  await bySocket(up, 'POST', '/v1/exports', { name, source: 'home' });
  t.is(await look(client, handle), status.ok);
  t.deepEqual((await client.mount(`/${name}`)).handle, handle);
});

test.serial('rules that do not go together are refused, and nothing changes', async (t) => {
  const name = await exported(t, { clients: '10.0.0.0/8(rw) *' });
  for (const [body, sentence] of [
    [{ nfs: { squash: 'all' } }, /rules of their own/],
    [{ allow: ['10.0.0.0/8'] }, /leave --allow out/],
    [{ clients: '*(rw' }, /no client with its options/],
    [{ clients: '@group(rw)' }, /'@group' is a netgroup/],
    [{ resizable: true }, /of no block volume/],
  ] as const) {
    const refused = await change(name, body);
    t.is(refused.status, 400, refused.text);
    t.regex(refused.text, sentence);
  }
  t.is(
    json<ExportView>(await bySocket(up, 'GET', `/v1/exports/${name}`)).clients,
    '10.0.0.0/8(sync,rw,secure,root_squash,no_all_squash) *(sync,ro,secure,root_squash,no_all_squash)',
  );
  t.is((await change('nothing', { readOnly: true })).status, 404);
});

test.serial(
  'a file of exports takes the place of exports of its names, and is read again while clients go on',
  async (t) => {
    const path = join(directory(t), 'exports');
    const client = await connect();
    t.teardown(() => client.close());
    const { handle } = await client.mount('/home');
    writeFileSync(path, '# homes\n/home 127.0.0.1(ro,no_root_squash)\n');
    writeFileSync(up.file, `${quiet}[nfs]\nexports = "${path}"\n`);
    t.deepEqual(await up.server.reload(), { applied: ['nfs.exports'], needRestart: [] });
    t.is((await make(client, handle)).status, status.readOnly);
    t.like(json<ExportView>(await bySocket(up, 'GET', '/v1/exports/home')), {
      volume: 'home',
      clients: '127.0.0.1(sync,ro,secure,no_root_squash,no_all_squash)',
      file: `${path}:2`,
    });
    const refused = await change('home', { readOnly: true });
    t.is(refused.status, 403);
    t.regex(refused.text, /is that of .*exports:2: change it there/);
    for (const [text, sentence] of [
      ['/home *(rw)\n/none *\n', /line 2 of the exports: there is no file volume 'none', and no directory \/none/],
      [`/home *(rw)\n${path} *\n`, /line 2 of the exports: .* is no directory/],
      ['/home *(rw)\n\n/other *(wr)\n', /line 3 of the exports: the option 'wr' is not known/],
    ] as const) {
      writeFileSync(path, text);
      t.regex((await t.throwsAsync(up.server.reload())).message, sentence);
      t.is((await make(client, handle)).status, status.readOnly, 'what held holds');
    }
    const shared = directory(t);
    mkdirSync(join(shared, 'found'));
    writeFileSync(path, `/home 10.0.0.1(ro)\n/home 127.0.0.0/8(rw,no_root_squash)\n${shared} *(ro,no_root_squash)`);
    await bySocket(up, 'POST', '/v1/reload');
    t.deepEqual(await make(client, handle), { status: status.ok, uid: 0, gid: 0 });
    const of = await mounted(shared);
    t.teardown(() => of.client.close());
    const name = Buffer.from('found');
    t.is((await of.client.call(procedures.lookup, { directory: of.handle, name })).status, status.ok);
    writeFileSync(up.file, quiet);
    await up.server.reload();
    t.is(await look(client, handle), status.ok);
    t.false('file' in json<ExportView>(await bySocket(up, 'GET', '/v1/exports/home')));
  },
);
