import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { memoryDevice } from '@ashlar/block';
import { AshlarError } from '@ashlar/core';
import { createNbdServer, openNbd } from '@ashlar/nbd';
import { testWithTools } from '@ashlar/testing';
import { parseKeys, type TlsClientSettings } from '@ashlar/wire';
import test, { type ExecutionContext } from 'ava';

const run = promisify(execFile);
const MiB = 2 ** 20;

/** Two authorities that do not know each other, `ours` and `other`, with a server and a client each; and two users' keys. */
const makeKeys = `set -e
for who in ours other; do
  mkdir $who; cd $who
  certtool --generate-privkey --outfile ca-key.pem
  printf 'cn = test\\nca\\ncert_signing_key\\n' > ca.info
  certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem
  for end in server client; do
    printf "cn = $end\\ndns_name = localhost\\ntls_www_$end\\nencryption_key\\nsigning_key\\n" > $end.info
    certtool --generate-privkey --outfile $end-key.pem
    certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \
      --load-privkey $end-key.pem --template $end.info --outfile $end-cert.pem
  done
  psktool -u alice -p keys.psk
  cd ..
done`;

async function keys(t: ExecutionContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  await run('sh', ['-c', makeKeys], { cwd: directory });
  return directory;
}

const pem = (folder: string, name: string): string => readFileSync(join(folder, `${name}.pem`), 'utf8');
const pair = (folder: string, end: string) => ({ cert: pem(folder, `${end}-cert`), key: pem(folder, `${end}-key`) });

const byCertificate = (folder: string): TlsClientSettings => ({
  authority: pem(folder, 'ca-cert'),
  certificate: pair(folder, 'client'),
  serverName: 'localhost',
});

function byKey(folder: string): TlsClientSettings {
  const key = parseKeys(readFileSync(join(folder, 'keys.psk'), 'utf8')).get('alice');
  return { key: { user: 'alice', key: key ?? new Uint8Array(0) } };
}

/** Starts a server that goes into the background once it listens, and ends it with the test. */
async function background(t: ExecutionContext, pidFile: string, command: string, options: string[]): Promise<void> {
  const child = spawn(command, options, { stdio: 'ignore' });
  const [status] = (await once(child, 'exit')) as [number | null];
  t.is(status, 0, `${command} ${options.join(' ')}`);
  // Killed, it removes nothing by itself while its directory is removed.
  t.teardown(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL'));
}

async function readsBack(t: ExecutionContext, uri: string, tls: TlsClientSettings): Promise<void> {
  const device = await openNbd(uri, { tls, reconnectMs: 0 });
  const written = new Uint8Array(MiB).fill(0xa7);
  await device.write(MiB, written, true);
  const into = new Uint8Array(MiB);
  await device.read(MiB, into);
  await device.close();
  t.is(Buffer.compare(into, written), 0);
}

async function denied(t: ExecutionContext, uri: string, tls: TlsClientSettings, sentence: RegExp): Promise<void> {
  const error = await t.throwsAsync<AshlarError>(openNbd(uri, { tls, reconnectMs: 0 }), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', sentence);
}

const kinds = [
  { kind: 'certificates', settings: byCertificate },
  { kind: 'keys', settings: byKey },
] as const;

for (const { kind, settings } of kinds) {
  testWithTools(
    test,
    'nbdkit',
    'certtool',
    'psktool',
  )(`our client to nbdkit with ${kind}`, async (t) => {
    const directory = await keys(t);
    const ours = join(directory, 'ours');
    const [pid, socket] = [join(directory, 'pid'), join(directory, 'socket')];
    const how = kind === 'keys' ? [`--tls-psk=${ours}/keys.psk`] : [`--tls-certificates=${ours}`, '--tls-verify-peer'];
    await background(t, pid, 'nbdkit', ['-P', pid, '-U', socket, '--tls=require', ...how, 'memory', '4M']);
    await readsBack(t, `nbds+unix:///?socket=${socket}`, settings(ours));
    await denied(t, `nbds+unix:///?socket=${socket}`, settings(join(directory, 'other')), /TLS did not come about/);
    await denied(t, `nbd+unix:///?socket=${socket}`, {}, /TLS/);
  });

  testWithTools(
    test,
    'qemu-nbd',
    'certtool',
    'psktool',
  )(`our client to qemu-nbd with ${kind}`, async (t) => {
    const directory = await keys(t);
    const ours = join(directory, 'ours');
    const [pid, socket, image] = [join(directory, 'pid'), join(directory, 'socket'), join(directory, 'disk')];
    await run('truncate', ['-s', '4M', image]);
    const type = kind === 'keys' ? 'tls-creds-psk' : 'tls-creds-x509,verify-peer=on';
    const secret = ['--object', `${type},id=tls0,endpoint=server,dir=${ours}`, '--tls-creds', 'tls0'];
    const place = ['--fork', `--pid-file=${pid}`, '-k', socket, '-t', '-x', '', '-f', 'raw', image];
    await background(t, pid, 'qemu-nbd', [...secret, ...place]);
    await readsBack(t, `nbds+unix:///?socket=${socket}`, settings(ours));
    await denied(t, `nbds+unix:///?socket=${socket}`, settings(join(directory, 'other')), /TLS did not come about/);
    await denied(t, `nbd+unix:///?socket=${socket}`, {}, /TLS/);
  });
}

testWithTools(
  test,
  'nbdinfo',
  'nbdcopy',
  'qemu-img',
  'certtool',
  'psktool',
)('our server lets in who proves themselves, and nobody else', async (t) => {
  const directory = await keys(t);
  const [ours, other, socket] = [join(directory, 'ours'), join(directory, 'other'), join(directory, 'socket')];
  const server = createNbdServer({
    exports: new Map([['disk', { device: memoryDevice(4 * MiB) }]]),
    tls: {
      mode: 'required',
      settings: {
        certificate: pair(ours, 'server'),
        clientAuthority: pem(ours, 'ca-cert'),
        keys: parseKeys(readFileSync(join(ours, 'keys.psk'), 'utf8')),
      },
    },
  });
  await once(server.listen(socket), 'listening');
  t.teardown(() => server.close());
  const certified = (folder: string): string =>
    `nbds+unix://localhost/disk?socket=${socket}&tls-certificates=${folder}&tls-hostname=localhost`;
  const keyed = (folder: string): string => `nbds+unix://alice@/disk?socket=${socket}&tls-psk-file=${folder}/keys.psk`;
  for (const uri of [certified, keyed]) {
    t.is((await run('nbdinfo', ['--size', uri(ours)])).stdout.trim(), String(4 * MiB));
    await run('nbdcopy', [uri(ours), 'null:']);
    await t.throwsAsync(run('nbdinfo', ['--size', uri(other)]), undefined, uri(other));
  }
  await t.throwsAsync(run('nbdinfo', [`nbd+unix:///disk?socket=${socket}`]), { message: /TLS/i });
  const image = `driver=nbd,server.type=unix,server.path=${socket},export=disk,tls-creds=tls0`;
  for (const [type, more] of [
    ['tls-creds-x509', ',tls-hostname=localhost'],
    ['tls-creds-psk,username=alice', ''],
  ] as const) {
    const info = (folder: string) =>
      run('qemu-img', [
        'info',
        '--object',
        `${type},id=tls0,endpoint=client,dir=${folder}`,
        '--image-opts',
        image + more,
      ]);
    t.regex((await info(ours)).stdout, /4 MiB/);
    await t.throwsAsync(info(other), undefined, `qemu-img with ${type} of somebody else`);
  }
  await readsBack(t, `nbds+unix:///disk?socket=${socket}`, byCertificate(ours));
  await readsBack(t, `nbds+unix:///disk?socket=${socket}`, byKey(ours));
});
