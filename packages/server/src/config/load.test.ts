import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AshlarError, GiB, MiB } from '@ashlar/core';
import { configKeys, loadConfig, type LoadedConfig } from '../index.ts';

function fileWith(t: ExecutionContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'ashlar.toml');
  writeFileSync(file, text);
  return file;
}

function load(t: ExecutionContext, text: string, environment: Record<string, string> = {}): LoadedConfig {
  return loadConfig({ file: fileWith(t, text), environment });
}

function refused(t: ExecutionContext, text: string, sentence: RegExp, environment: Record<string, string> = {}): void {
  const error = t.throws(() => load(t, text, environment), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', sentence);
}

test('an empty file gives the defaults', (t) => {
  const { config } = load(t, '');
  t.like(config, { data: './ashlar-data', listen: ['127.0.0.1'], workers: 1 });
  t.like(config.nbd, { port: 10809, socket: 'nbd.sock', allow: [], tls: 'off' });
  t.like(config.admin, { port: 9810, listen: '127.0.0.1' });
  t.is(config.store.journalSize, GiB);
});

test('the file is above the defaults, the environment above the file, the command line above both', (t) => {
  const file = fileWith(t, 'drain-seconds = 1\n[nbd]\nport = 1\n[admin]\nport = 1\n');
  const environment = { ASHLAR_NBD_PORT: '2', ASHLAR_ADMIN_PORT: '2' };
  const { config, origins } = loadConfig({ file, environment, overrides: { 'admin.port': 3, data: undefined } });
  t.deepEqual([config.drainSeconds, config.nbd.port, config.admin.port], [1, 2, 3]);
  t.deepEqual(
    ['data', 'drain-seconds', 'nbd.port', 'admin.port'].map((key) => origins.get(key)),
    ['default', 'file', 'environment', 'command line'],
  );
});

test('every key can be set by its variable', (t) => {
  const { config } = load(t, '', {
    ASHLAR_DATA: '/srv/pool',
    ASHLAR_LISTEN: '127.0.0.1, ::1',
    ASHLAR_NBD_ALLOW: '10.0.0.0/8,fd00::/8',
    ASHLAR_NBD_MAX_CONNECTIONS: '7',
    ASHLAR_NBD_TCP: 'false',
    ASHLAR_STORE_CACHE_SIZE: '64M',
    ASHLAR_LOG_LEVEL: 'debug',
  });
  t.is(config.data, '/srv/pool');
  t.deepEqual(config.listen, ['127.0.0.1', '::1']);
  t.like(config.nbd, { maxConnections: 7, tcp: false });
  t.deepEqual(config.nbd.allow, ['10.0.0.0/8', 'fd00::/8']);
  t.is(config.store.cacheSize, 64 * MiB);
  t.is(config.log.level, 'debug');
});

test('every key says what it is for', (t) => {
  for (const { path, help } of configKeys) t.regex(help, /\w/, path.join('.'));
});

test('an unknown key or variable is named with the one that was meant', (t) => {
  refused(t, '[nbd]\nprot = 1\n', /no key 'nbd\.prot': did you mean port\?/);
  refused(t, 'dta = "x"\n', /no key 'dta': did you mean data\?/);
  refused(t, '[nbd]\nmax-conections = 1\n', /did you mean max-connections\?/);
  refused(t, '', /ASHLAR_NBD_PROT names no key.*did you mean ASHLAR_NBD_PORT\?/, { ASHLAR_NBD_PROT: '1' });
});

test('a value of the wrong kind is told with its key, and all faults at once', (t) => {
  refused(t, '[nbd]\nport = 70000\n[admin]\nport = "x"\n', /2 faults:\n.*'nbd\.port'.*\n.*'admin\.port'/);
  refused(t, '[store]\ncache-size = "lots"\n', /'store\.cache-size': 'lots' is not a size/);
  refused(t, '[nbd]\nallow = ["10.0.0.0/40"]\n', /'nbd\.allow\.0': '10\.0\.0\.0\/40' is not an address range/);
  refused(t, '', /'nbd\.port' \(from ASHLAR_NBD_PORT\)/, { ASHLAR_NBD_PORT: 'x' });
});

test('a file that is no TOML is told with the line', (t) => {
  refused(t, 'data = "a"\nlisten = \n', /ashlar\.toml:2:/);
});

test('a file that is not there is told', (t) => {
  const error = t.throws(() => loadConfig({ file: '/nowhere/ashlar.toml', environment: {} }), {
    instanceOf: AshlarError,
  });
  t.regex(error?.message ?? '', /\/nowhere\/ashlar\.toml cannot be read: it is not there/);
});

test('listening beyond loopback needs an access rule', (t) => {
  refused(t, 'listen = "0.0.0.0"\n', /0\.0\.0\.0 needs an access rule: set nbd\.allow/);
  refused(t, '[admin]\nlisten = "0.0.0.0"\n', /set admin\.allow/);
  t.deepEqual(load(t, 'listen = "0.0.0.0"\n[nbd]\nallow = ["10.0.0.0/8"]\n').config.listen, ['0.0.0.0']);
  t.false(load(t, 'listen = "0.0.0.0"\n[nbd]\ntcp = false\n').config.nbd.tcp);
});

test('TLS needs certificates or keys, and their paths are meant from the file', (t) => {
  refused(t, '[nbd]\ntls = "require"\n', /set nbd\.certificates/);
  const { config, file } = load(t, '[nbd]\ntls = "require"\npsk = "keys.psk"\n');
  t.is(config.nbd.psk, join(file ?? '', '..', 'keys.psk'));
});
