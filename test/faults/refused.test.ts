import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { xxh64Low } from '@ashlar/host';
import { testAsRoot } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { directory, serve } from '../clients/served.ts';
import { sharedServer } from '../clients/shared.ts';
import { ashlar, bin, run, type Ended } from './ashlar.ts';

const shared = sharedServer(test);

const shortly = ['--port', '0', '--admin-port', '0', '--run', 'true'];

/** One sentence that says what, and nothing of how the program is made. */
function refuses(t: ExecutionContext, { status, err }: Ended, sentence: RegExp): void {
  t.is(status, 1, err);
  t.regex(err, sentence);
  t.notRegex(err, /\n\s+at |node:|\.ts:/, 'no stack');
  t.true(err.trim().split('\n').length <= 2, `one sentence: ${err}`);
}

test('a data directory that another server has is refused', async (t) => {
  const { data } = await shared();
  refuses(t, await ashlar('serve', '--data', data, ...shortly), /in use|another server|is running/);
});

test('a pool that another server has is not checked under it', async (t) => {
  const { data } = await shared();
  refuses(t, await ashlar('check', '--data', data), /in use|another server|is running|stop/);
});

test('a data directory that is a file is refused', async (t) => {
  const data = join(directory(t), 'data');
  writeFileSync(data, 'a file');
  refuses(t, await ashlar('serve', '--data', data, ...shortly), /data|not a directory/i);
});

test('a pool that a newer version made is refused', async (t) => {
  const data = join(directory(t), 'data');
  await (await serve(t, data, '64M')).stop();
  const identity = join(data, 'pool/ashlar.pool');
  const bytes = readFileSync(identity);
  bytes.writeUInt32LE(bytes.readUInt32LE(8) + 1, 8);
  bytes.writeUInt32LE(xxh64Low(bytes.subarray(0, -4)), bytes.length - 4);
  writeFileSync(identity, bytes);
  refuses(t, await ashlar('serve', '--data', data, ...shortly), /newer/);
  refuses(t, await ashlar('check', '--data', data), /newer/);
});

test('a port in use is refused', async (t) => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const data = join(directory(t), 'data');
  refuses(t, await ashlar('serve', '--data', data, '--port', String(port), '--admin-port', '0'), /in use/);
  server.close();
});

test('a volume larger than the protocol can address, or of no size, is refused before anything is made', async (t) => {
  const data = join(directory(t), 'data');
  for (const volume of ['demo:9999999T', 'demo:0', 'demo:banana', 'de mo:1G', 'demo']) {
    const { status, err } = await ashlar('serve', '--data', data, '--volume', volume, ...shortly);
    t.not(status, 0, volume);
    t.notRegex(err, /\n\s+at /, volume);
    t.regex(err, /demo|de mo|size|name/i);
  }
});

test('an option that is typed wrong is told with the one that is meant', async (t) => {
  const { status, err } = await ashlar('serve', '--dta', '/tmp/x');
  t.not(status, 0);
  t.regex(err, /--data/);
});

test('output that nobody reads is no failure', async (t) => {
  const { status, err } = await run('bash', [
    '-o',
    'pipefail',
    '-c',
    '"$0" "$@" | true',
    process.execPath,
    bin,
    'config',
    'show',
  ]);
  t.is(err, '');
  t.is(status, 0);
});

const testHere = testAsRoot(test);

testHere('a read-only file system is refused', async (t) => {
  const place = directory(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1M', 'tmpfs', place]);
  t.teardown(() => void execFileSync('umount', ['-l', place]));
  refuses(t, await ashlar('serve', '--data', join(place, 'data'), ...shortly), /read-only/i);
});

testHere('a directory without permission is refused', async (t) => {
  const place = directory(t);
  const data = join(place, 'data');
  chmodSync(place, 0o755);
  mkdirSync(data, { mode: 0o700 });
  // Nobody's permissions are what an unprivileged user has.
  const script = `exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`;
  const args = ['-c', script, 'sh', process.execPath, bin, 'serve', '--data', data, ...shortly];
  const ended = await run('sh', args);
  refuses(t, ended, /permission|denied/i);
});
