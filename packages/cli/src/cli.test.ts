import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { bin, directory, run as runAnew, serve, serveOnce, type Ended } from './command.ts';
import { run } from './hosted.ts';

const shared = serveOnce(test, '--volume', 'demo:1G');

test('the version and the help of every command are there, with examples', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.deepEqual(await runAnew(['--version']), { status: 0, out: `${version}\n`, errors: '' });
  const help = await run(['--help']);
  t.is(help.status, 0);
  t.regex(help.out, /Examples:\n {2}ashlar serve --volume demo:10G/);
  for (const command of [
    ['serve'],
    ['volume', 'create'],
    ['export', 'add'],
    ['status'],
    ['top'],
    ['config', 'check'],
  ]) {
    t.is((await run([...command, '--help'])).status, 0, command.join(' '));
  }
});

test('what cannot be understood ends with status 2 and a hint', async (t) => {
  for (const [parameters, sentence] of [
    [['volme'], /Did you mean volume\?/],
    [['volume', 'create', 'demo'], /required option '--size <SIZE>'/],
    [['volume', 'create', 'demo', '--size', 'ten'], /'ten' is not a size/],
    [['volume', 'ls', '--colour'], /unknown option '--colour'/],
    [['serve', '--volume', 'demo'], /'demo' is not NAME:SIZE/],
    [['serve', '--port', '70000'], /from 0 to 65535/],
    [['status', '--admin', 'https://x'], /over http/],
  ] as const) {
    const { status, errors } = await run(parameters);
    t.is(status, 2, parameters.join(' '));
    t.regex(errors, sentence);
  }
});

test('where no server is, the error says what to type next', async (t) => {
  const { status, errors } = await run(['volume', 'ls'], {}, directory(t));
  t.is(status, 1);
  t.regex(
    errors,
    /^ashlar: no server was found: there is no \S+\/ashlar-data\/admin\.sock; start one with 'ashlar serve'/,
  );
});

test('the line that tries everything ends with the status of its command', async (t) => {
  const data = join(directory(t), 'data');
  const command = 'echo "$nbd $nbdsock $admin $token"; exit 7';
  const { status, out, errors } = await runAnew(['serve', '--data', data, '--volume', 'demo:10G', '--run', command]);
  t.is(errors, '');
  t.is(status, 7);
  const [nbd, nbdsock, admin, token] = out.trim().split(' ');
  t.regex(nbd ?? '', /^nbd:\/\/127\.0\.0\.1:\d+$/);
  t.is(nbdsock, join(data, 'nbd.sock'));
  t.regex(admin ?? '', /^http:\/\/127\.0\.0\.1:\d+$/);
  t.is(token, readFileSync(join(data, 'token'), 'utf8').trim());
});

test('a command of --run that a signal ends gives 128 and its number', async (t) => {
  const { status } = await runAnew(['serve', '--data', join(directory(t), 'data'), '--run', 'kill -9 $$']);
  t.is(status, 137);
});

test('in the command of --run the ashlar command finds the server by itself', async (t) => {
  const cwd = directory(t);
  const command = `${process.execPath} ${bin} volume ls --json`;
  const { status, out } = await runAnew(['serve', '--data', 'd', '--volume', 'demo:1M', '--run', command], {}, cwd);
  t.is(status, 0);
  t.is((JSON.parse(out) as { name: string }[])[0]?.name, 'demo');
});

test('serve prints how to attach with each client', async (t) => {
  const { out } = await shared();
  for (const line of [
    /nbdinfo 'nbd:\/\/127\.0\.0\.1:\d+\/demo'/,
    /qemu-system-x86_64 -drive/,
    /nbd-client 127\.0\.0\.1 \d+ \/dev\/nbd0 -N demo/,
    /nbdcopy/,
  ]) {
    t.regex(out, line);
  }
});

test('a volume lives through the command: create, ls, show, resize, rename, accept, limit, compress, rm', async (t) => {
  const { data } = await serve(t);
  const ashlar = (...parameters: string[]): Promise<Ended> => run([...parameters, '--data', data]);
  t.is((await ashlar('volume', 'ls')).out, "no volumes yet: make one with 'ashlar volume create NAME --size 10G'\n");
  t.is((await ashlar('volume', 'create', 'demo', '--size', '10G')).out, 'made the volume demo of 10 GiB\n');
  t.regex(
    (await ashlar('volume', 'ls')).out,
    /^NAME +TYPE +SIZE +USED +RESERVED +STATE +CLIENTS +EXPORTS\ndemo +block +10 GiB +0 B +- +ok +0 +demo\n$/,
  );
  t.is((await ashlar('volume', 'resize', 'demo', '--size', '20G')).out, 'the volume demo has 20 GiB now\n');
  const small = await ashlar('volume', 'resize', 'demo', '--size', '1G');
  t.is(small.status, 1);
  t.regex(small.errors, /say --shrink if that is meant/);
  t.is((await ashlar('volume', 'rename', 'demo', 'data')).out, 'the volume demo is called data now\n');
  const accepted = await ashlar('volume', 'accept', 'data', '--after-loss', 'serve');
  t.is(accepted.out, 'the volume data is served; after a later loss: serve\n');
  t.is((await ashlar('volume', 'limit', 'data', '--iops', '100', '--read-bps', '1M')).status, 0);
  const compressed = await ashlar('volume', 'compress', 'data', 'zstd');
  t.is(compressed.out, 'what is written to the volume data from now on is compressed by zstd\n');
  t.regex((await ashlar('volume', 'show', 'data')).out, /compression +zstd, 1\.00 to 1/);
  t.is((await ashlar('volume', 'compress', 'data', 'lzo')).status, 2);
  const shown = JSON.parse((await ashlar('volume', 'show', 'data', '--json')).out) as object;
  t.like(shown, {
    name: 'data',
    sizeBytes: 20 * 2 ** 30,
    limits: { total: { operationsPerSecond: 100 }, read: { bytesPerSecond: 2 ** 20 } },
  });
  t.is((await ashlar('volume', 'rm', 'data', 'dta')).status, 1);
  t.is((await ashlar('volume', 'show', 'data')).status, 0, 'a name that is typed wrong costs none of the others');
  t.is((await ashlar('volume', 'rm', 'data')).status, 0);
  const gone = await ashlar('volume', 'show', 'data');
  t.is(gone.status, 1);
  t.is(gone.errors, "ashlar: there is no volume 'data': 'ashlar volume ls' shows those there are\n");
});

test('an export of a file is added by URI or path, shown, and taken back', async (t) => {
  const { data } = await serve(t);
  const ashlar = (...parameters: string[]): Promise<Ended> => run([...parameters, '--data', data]);
  const raw = join(directory(t), 'disk.raw');
  writeFileSync(raw, Buffer.alloc(65536));
  t.regex(
    (await ashlar('export', 'add', 'raw', raw, '--read-only', '--allow', '10.0.0.0/8')).out,
    /^raw is offered at nbd:\/\//,
  );
  const [item] = JSON.parse((await ashlar('export', 'ls', '--json')).out) as object[];
  t.like(item, { name: 'raw', uri: `file://${raw}`, readOnly: true, allow: ['10.0.0.0/8'], over: ['nbd'] });
  t.is((await ashlar('export', 'add', 'none', 'file:///nowhere/x.raw')).status, 1);
  t.is((await ashlar('export', 'rm', 'raw')).status, 0);
  t.is((await ashlar('export', 'ls', '--json')).out, '[]\n');
});

test('the ready lines attach by port or by socket', async (t) => {
  const { data } = await shared();
  const lines = async (format: string, ...more: string[]): Promise<string> =>
    (await run(['export', 'show', 'demo', '--format', format, '--data', data, ...more])).out;
  t.regex(
    await lines('qemu'),
    /^qemu-system-x86_64 -drive file=nbd:\/\/127\.0\.0\.1:\d+\/demo,format=raw,if=virtio,discard=unmap\n$/,
  );
  t.regex(await lines('nbd-client'), /^nbd-client 127\.0\.0\.1 \d+ \/dev\/nbd0 -N demo -C 2 -persist\n$/);
  t.regex(await lines('fstab'), /\nnbd0 127\.0\.0\.1 demo port=\d+,persist\n.*\n\/dev\/nbd0 \/mnt\/demo ext4 _netdev/);
  t.regex(await lines('libvirt'), /<source protocol='nbd' name='demo'>\n {4}<host name='127\.0\.0\.1' port='\d+'\/>/);
  t.true((await lines('libvirt', '--unix')).includes(`<host transport='unix' socket='${join(data, 'nbd.sock')}'/>`));
  t.true((await lines('nbd-client', '--unix')).includes(`-unix ${join(data, 'nbd.sock')} /dev/nbd0`));
});

test('status is shown for people and as JSON, found by directory, by socket and by URL with the token', async (t) => {
  const { data } = await shared();
  const shown = await run(['status', '--data', data]);
  t.regex(shown.out, /^server +ready, version /);
  const status = JSON.parse((await run(['status', '--json'], { ASHLAR_DATA: data })).out) as {
    admin: { address: string; socket: string };
    clients: [];
  };
  t.deepEqual(status.clients, []);
  t.is((await run(['status', '--admin', status.admin.socket])).status, 0);
  t.is((await run(['status'], { ASHLAR_ADMIN: status.admin.address, ASHLAR_DATA: data })).status, 0);
  t.is((await run(['status', '--admin', status.admin.address, '--token', 'no'])).status, 1);
});

test('top shows each volume once where the output is no terminal', async (t) => {
  const { data } = await shared();
  const { status, out } = await run(['top', '--data', data, '--interval', '0.1']);
  t.is(status, 0);
  t.regex(out, /^VOLUME .*READ\/S.*\ndemo +0 /);
  const rows = JSON.parse((await run(['top', '--data', data, '--interval', '0.1', '--json'])).out) as object[];
  t.like(rows[0], { name: 'demo', reads: 0, writes: 0, errors: 0 });
});

test('a second server on the data directory ends with status 1 and one sentence', async (t) => {
  const { data } = await shared();
  const { status, errors } = await runAnew(['serve', '--data', data, '--port', '0', '--admin-port', '0']);
  t.is(status, 1);
  t.regex(errors, /^ashlar: the pool in '\S+' is in use by another server\n$/);
});

test('faults of the configuration end serve and config check alike', async (t) => {
  const file = join(directory(t), 'ashlar.toml');
  writeFileSync(file, '[nbd]\nprot = 1\n');
  for (const command of [['config', 'check'], ['serve']]) {
    const { status, errors } = await run([...command, '--config', file]);
    t.is(status, 1);
    t.is(errors, `ashlar: ${file}: there is no key 'nbd.prot': did you mean port?\n`);
  }
  writeFileSync(file, '[nbd]\nport = 1\n');
  t.is((await run(['config', 'check', '--config', file])).out, `${file} is in order\n`);
  writeFileSync(file, '[nfs]\nexports = "exports"\n');
  const exports = `${file.slice(0, file.lastIndexOf('/'))}/exports`;
  writeFileSync(exports, '/home *(rw)\n/mail vm(wr)\n');
  t.regex(
    (await run(['config', 'check', '--config', file])).errors,
    /exports \(nfs\.exports\): line 2 of the exports: the option 'wr'/,
  );
});

test('export set changes the rules of an export, and export show tells them as exports(5) does', async (t) => {
  const { data } = await serve(t, '--volume', 'home:1G:file', '--nfs-port', '0');
  const set = (...given: string[]) => run(['export', 'set', 'home', '--data', data, ...given]);
  t.regex((await set('--squash', 'root', '--async', '--read-only')).out, /read-only[^]*async,insecure,root_squash/);
  t.regex(
    (await set('--sync', '--read-write', '--allow', '127.0.0.1')).out,
    /127\.0\.0\.1[^]* sync,insecure,root_squash/,
  );
  const { out } = await set('--clients', 'vm1(rw) *');
  t.regex(out, /client +vm1\(sync,rw,secure,root_squash,no_all_squash\)\n *client +\*\(sync,ro/);
  t.notRegex(out, /rules|allow/);
  t.regex((await run(['export', 'ls', '--data', data])).out, / vm1,\* +nfs /);
  t.regex((await set('--clients', '', '--allow-all')).out, /allow +all[^]* sync,insecure,root_squash/);
  t.is((await set()).status, 2);
  t.is((await set('--sync', '--async')).status, 2);
});

test('config show says where each value came from', async (t) => {
  const file = join(directory(t), 'ashlar.toml');
  writeFileSync(file, '[nbd]\nport = 1\n');
  const { out } = await run(['config', 'show', '--config', file, '--json'], { ASHLAR_ADMIN_PORT: '2' });
  const rows = new Map(
    (JSON.parse(out) as { key: string; value: unknown; from: string }[]).map((row) => [row.key, row]),
  );
  t.like(rows.get('nbd.port'), { value: 1, from: 'file' });
  t.like(rows.get('admin.port'), { value: 2, from: 'environment' });
  t.like(rows.get('data'), { value: './ashlar-data', from: 'default' });
});

test('a data directory that cannot be made is told in one sentence', async (t) => {
  const file = join(directory(t), 'file');
  writeFileSync(file, '');
  const { status, errors } = await runAnew(['serve', '--data', join(file, 'data'), '--port', '0', '--admin-port', '0']);
  t.is(status, 1);
  t.is(errors, `ashlar: the data directory ${join(file, 'data')} cannot be used: a part of the path is no directory\n`);
});

test('SIGHUP keeps a server that has a faulty configuration, SIGTERM ends it with status 0', async (t) => {
  const file = join(directory(t), 'ashlar.toml');
  writeFileSync(file, '');
  const { data, child } = await serve(t, '--config', file);
  writeFileSync(file, 'nonsense = 1\n');
  const told = new Promise<string>((resolve) => child.stderr?.once('data', (part: Buffer) => resolve(part.toString())));
  child.kill('SIGHUP');
  t.regex(await told, /the configuration stays as it was: .* no key 'nonsense'/);
  t.is((await run(['status', '--data', data])).status, 0);
  const status = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  t.is(await status, 0);
  t.is(statSync(join(data, 'nbd.sock'), { throwIfNoEntry: false }), undefined);
});
