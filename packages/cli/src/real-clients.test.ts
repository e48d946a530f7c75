import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import { testAsRoot, testWithTools } from '@ashlar/testing';
import { bin, directory, ended, run as runAnew, serveIn, serveOnce, type Ended } from './command.ts';
import { run } from './hosted.ts';

const shared = serveOnce(test, '--volume', 'demo:8M');

/** Runs a command of the shell. */
function shell(command: string, cwd: string): Promise<Ended> {
  return ended(spawn('/bin/sh', ['-e', '-c', command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
}

const uriIn = (out: string): string => /nbds?:\/\/[^']+/.exec(out)?.[0] ?? '';

testWithTools(
  test,
  'nbdinfo',
  'qemu-img',
)('one line tries anything: nbdinfo and qemu-img by port and by socket', async (t) => {
  const data = join(directory(t), 'd');
  const command =
    'nbdinfo --size $nbd/demo && qemu-img info $nbd/demo && nbdinfo --size "nbd+unix:///demo?socket=$nbdsock"';
  const { status, out, errors } = await runAnew(['serve', '--data', data, '--volume', 'demo:10G', '--run', command]);
  t.is(errors, '');
  t.is(status, 0);
  t.regex(out, /^10737418240\n[^]*virtual size: 10 GiB \(10737418240 bytes\)[^]*10737418240\n$/);
});

testWithTools(
  test,
  'nbdcopy',
  'nbdinfo',
)('an image is copied in and out, and its holes are seen', async (t) => {
  const cwd = directory(t);
  writeFileSync(join(cwd, 'in.raw'), Buffer.concat([randomBytes(3 * MiB), Buffer.alloc(5 * MiB), randomBytes(MiB)]));
  const command = `nbdcopy ${cwd}/in.raw $nbd/demo && nbdcopy $nbd/demo ${cwd}/out.raw && nbdinfo --map --json $nbd/demo`;
  const { status, out, errors } = await runAnew([
    'serve',
    '--data',
    join(cwd, 'd'),
    '--volume',
    'demo:9M',
    '--run',
    command,
  ]);
  t.is(errors, '');
  t.is(status, 0);
  t.true(readFileSync(join(cwd, 'in.raw')).equals(readFileSync(join(cwd, 'out.raw'))));
  const holes = (JSON.parse(out) as { length: number; type: number }[]).filter(({ type }) => type !== 0);
  t.true(holes.reduce((sum, { length }) => sum + length, 0) >= 4 * MiB);
});

test('what was acknowledged is there after kill -9', async (t) => {
  const data = join(directory(t), 'data');
  const kept = new Map<number, Buffer>();
  for (let life = 0; life < 3; life += 1) {
    const { child, gone, out } = await serveIn(data, life === 0 ? ['--volume', 'demo:64M'] : []);
    const device = await openNbd(uriIn(out), { reconnectMs: 0 });
    for (const [offset, expected] of kept) {
      const found = Buffer.alloc(expected.length);
      await device.read(offset, found);
      t.true(found.equals(expected), `offset ${offset} after ${life} kills`);
    }
    const unsettled = Array.from({ length: 200 }, async (_, index) => {
      const bytes = randomBytes(4096 * (1 + (index % 20)));
      const offset = (life * 200 + index) * 81920;
      await device.write(offset, bytes, false);
      kept.set(offset, bytes);
      if (index === 150) child.kill('SIGKILL');
    });
    await Promise.allSettled(unsettled);
    await gone;
    await device.close();
  }
  t.true(kept.size > 300);
});

testWithTools(
  test,
  'certtool',
  'psktool',
  'nbdinfo',
  'nbdcopy',
)('clients come in by TLS with certificates or keys only', async (t) => {
  const cwd = directory(t);
  const tls = join(cwd, 'tls');
  mkdirSync(tls);
  const made = await shell(
    `certtool --generate-privkey --outfile ca-key.pem
     printf 'cn = test\\nca\\ncert_signing_key\\n' > ca.info
     certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem
     for who in server client; do
       printf "cn = $who\\ndns_name = localhost\\nip_address = 127.0.0.1\\ntls_www_$who\\nencryption_key\\nsigning_key\\n" > $who.info
       certtool --generate-privkey --outfile $who-key.pem
       certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \\
         --load-privkey $who-key.pem --template $who.info --outfile $who-cert.pem
     done
     psktool -u alice -p keys.psk`,
    tls,
  );
  t.is(made.status, 0, made.errors);
  writeFileSync(join(cwd, 'in.raw'), randomBytes(2 * MiB));
  const byCertificate = `port=\${nbd##*:}; nbdcopy in.raw "nbds://localhost:$port/demo?tls-certificates=${tls}" &&
    nbdcopy "nbds://localhost:$port/demo?tls-certificates=${tls}" out.raw && cmp in.raw out.raw &&
    ! nbdinfo "nbd://localhost:$port/demo" 2>/dev/null`;
  const asked = ['serve', '--data', join(cwd, 'd'), '--volume', 'demo:2M', '--run'];
  const more = { ASHLAR_NBD_TLS: 'require', ASHLAR_NBD_CERTIFICATES: tls };
  const certificate = await run([...asked, byCertificate], more, cwd);
  t.is(certificate.status, 0, certificate.errors);
  const byKey = `port=\${nbd##*:}; nbdcopy "nbds://alice@localhost:$port/demo?tls-psk-file=${tls}/keys.psk" out.raw && cmp in.raw out.raw`;
  const key = await run(
    [...asked, `${byKey}; ${byCertificate}`],
    { ...more, ASHLAR_NBD_PSK: join(tls, 'keys.psk') },
    cwd,
  );
  t.is(key.status, 0, key.errors);
});

testWithTools(test, 'python3')(
  'systemd is told when the server is ready, reads its configuration again, and stops',
  async (t) => {
    const cwd = directory(t);
    const path = join(cwd, 'notify');
    const listener = spawn('python3', [
      '-c',
      `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound",flush=True)
while True:
  m=s.recv(4096).decode(); print(m,flush=True)
  if "STOPPING=1" in m: break`,
      path,
    ]);
    const heard = ended(listener);
    let told = '';
    listener.stdout.on('data', (part: Buffer) => {
      told += part.toString();
    });
    await once(listener.stdout, 'data');
    const { child, gone } = await serveIn(join(cwd, 'data'), [], { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' });
    const until = async (expected: RegExp): Promise<void> => {
      while (!expected.test(told)) await once(listener.stdout, 'data');
    };
    await until(/READY=1[^]*WATCHDOG=1/);
    child.kill('SIGHUP');
    await until(/RELOADING=1[^]*READY=1/);
    child.kill('SIGTERM');
    await gone;
    const { out } = await heard;
    t.regex(out, /READY=1\nMAINPID=\d+[^]*RELOADING=1\nMONOTONIC_USEC=\d+[^]*READY=1[^]*STOPPING=1/);
  },
);

testWithTools(
  test,
  'systemd-socket-activate',
  'nbdinfo',
)('a socket that systemd opened is served', async (t) => {
  const cwd = directory(t);
  const socket = join(cwd, 'passed.sock');
  const parameters = [
    '-l',
    socket,
    process.execPath,
    bin,
    'serve',
    '--data',
    join(cwd, 'd'),
    '--admin-port',
    '0',
    '--volume',
    'demo:1M',
  ];
  const child = spawn('systemd-socket-activate', ['-E', 'PATH', ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = ended(child);
  const uri = `nbd+unix:///demo?socket=${socket}`;
  let size = '';
  while (size === '') {
    const { status, out } = await shell(`nbdinfo --size '${uri}'`, cwd);
    if (status === 0) size = out;
  }
  t.is(size, '1048576\n');
  child.kill('SIGTERM');
  t.is((await gone).status, 0);
});

testAsRoot(
  test,
  'mount',
  'umount',
)('a file system that is read-only is told in one sentence', async (t) => {
  const cwd = directory(t);
  t.is((await shell('mount -t tmpfs -o size=1m,ro tmpfs .', cwd)).status, 0);
  t.teardown(() => shell(`umount -l ${cwd}`, '/'));
  const { status, errors } = await runAnew(['serve', '--data', cwd, '--port', '0', '--admin-port', '0']);
  t.is(status, 1);
  t.is(errors, `ashlar: the data directory ${cwd} cannot be used: the file system is read-only\n`);
});

test('a port in use ends the start with status 1 and one sentence', async (t) => {
  const { out } = await shared();
  const { port } = new URL(uriIn(out).replace('nbd:', 'http:'));
  const data = join(directory(t), 'other');
  const { status, errors } = await runAnew(['serve', '--data', data, '--port', port, '--admin-port', '0']);
  t.is(status, 1);
  t.regex(errors, new RegExp(`^ashlar: port ${port} on 127\\.0\\.0\\.1 is in use: [^\\n]+\\n$`));
});

test('bench measures reads, and writes only what may be written over', async (t) => {
  const { data } = await shared();
  const bench = (...more: string[]): Promise<Ended> =>
    run(['bench', 'demo', '--data', data, '--seconds', '0.3', ...more]);
  const result = JSON.parse((await bench('--json', '--depth', '4')).out) as { read: { operations: number } };
  t.true(result.read.operations > 0);
  const refused = await bench('--op', 'randwrite');
  t.is(refused.status, 2);
  t.regex(refused.errors, /say --overwrite/);
  t.regex((await bench('--op', 'randwrite', '--overwrite', '--flush-every', '1')).out, /\nwrite [^]*\nflush /);
});

test('check finds a flipped byte in the data of a stopped server, and refuses one that runs', async (t) => {
  const data = join(directory(t), 'data');
  const { child, gone, out } = await serveIn(data, ['--volume', 'demo:8M']);
  const device = await openNbd(uriIn(out), { reconnectMs: 0 });
  await device.write(0, randomBytes(4 * MiB), true);
  await device.close();
  const busy = await run(['check', '--data', data]);
  t.is(busy.status, 1);
  t.regex(busy.errors, /a server uses the pool in \S+: stop it first/);
  child.kill('SIGTERM');
  await gone;
  const good = JSON.parse((await run(['check', '--data', data, '--json'])).out) as object;
  t.like(good, { ok: true, volumes: [{ name: 'demo', dataBytes: 4 * MiB, damage: [] }], strayStores: [] });
  const file = join(data, 'pool', 'data', readdirSync(join(data, 'pool', 'data'))[0] ?? '');
  const descriptor = openSync(file, 'r+');
  const byte = new Uint8Array(1);
  readSync(descriptor, byte, 0, 1, 5000);
  byte[0] = byte[0]! ^ 1;
  writeSync(descriptor, byte, 0, 1, 5000);
  closeSync(descriptor);
  const { status, out: told } = await run(['check', '--data', data]);
  t.is(status, 1);
  t.regex(told, /volume demo: 4 MiB read, 1 damaged run\n {2}4096 bytes at \d+ cannot be read/);
});
