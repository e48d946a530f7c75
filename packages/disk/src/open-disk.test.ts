import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryDevice } from '@ashlar/block';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { createGroup, createLogical } from '@ashlar/image/lvm';
import { createNbdServer } from '@ashlar/nbd';
import { failsWith, testWithTools } from '@ashlar/testing';
import { parseKeys } from '@ashlar/wire';
import test, { type ExecutionContext } from 'ava';
import { fileOf, openDisk, schemeOf, type OpenDiskOptions } from './index.ts';

const MiB = 2 ** 20;

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-disk-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

const open = (name: string, more: Partial<OpenDiskOptions> = {}): Promise<BlockDevice> =>
  openDisk(name, { host: createRealHost(), ...more });

async function has(t: ExecutionContext, device: BlockDevice, value: number): Promise<void> {
  const into = new Uint8Array(3);
  await device.read(5, into);
  t.deepEqual([...into], [value, value, value]);
  await device.close();
}

testWithTools(test, 'sfdisk')('a partition of a file is a disk', async (t) => {
  const path = join(directory(t), 'disk.raw');
  writeFileSync(path, new Uint8Array(4 * MiB).fill(7));
  execFileSync('sfdisk', ['--quiet', '--label', 'dos', path], { input: 'start=2048, size=1MiB\n', stdio: 'pipe' });
  const disk = await open(`file://${path}?partition=1`);
  t.is(disk.sizeBytes, MiB);
  await has(t, disk, 7);
  await failsWith(t, 'not-found', () => open(`file://${path}?partition=2`));
  await failsWith(t, 'bad-type', () => open(`dev://${path}`));
});

test('a logical volume is a disk', async (t) => {
  const path = join(directory(t), 'pv.img');
  writeFileSync(path, new Uint8Array(4 * MiB));
  const options = { paths: [path], description: 'test', lockDirectory: directory(t) };
  const group = {
    ...options,
    overwrite: false,
    extentBytes: MiB,
    maxLogicalVolumes: 0,
    maxPhysicalVolumes: 0,
    tags: [],
  };
  await createGroup(createRealHost(), 'vg', [path], group);
  const volume = {
    stripes: 1,
    stripeBytes: MiB,
    devices: [],
    tags: [],
    isReadOnly: false,
    isContiguous: false,
    zeroes: true,
  };
  await createLogical(createRealHost(), 'vg', { ...volume, name: 'lv', extentsOf: () => 2 }, options);
  const writing = await open(`lvm://${path}?vg=vg&lv=lv`, { readOnly: false });
  await writing.write(5, new Uint8Array(3).fill(6), false);
  t.is(writing.sizeBytes, 2 * MiB);
  await has(t, writing, 6);
  await has(t, await open(`lvm://${path}?vg=vg&lv=lv`), 6);
  await failsWith(t, 'not-found', () => open(`lvm://${path}?vg=vg&lv=other`));
  await failsWith(t, 'invalid', () => open(`lvm://${path}?vg=vg`));
});

test('a path, and the URI of a file, is a disk: raw, qcow2, one of its snapshots', async (t) => {
  const cwd = directory(t);
  const raw = join(cwd, 'a:b.raw');
  writeFileSync(raw, new Uint8Array(MiB).fill(7));
  await has(t, await open(raw), 7);
  await has(t, await open(`file://${raw}`), 7);
  const image = join(cwd, 'a.qcow2');
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, image]);
  execFileSync('qemu-img', ['snapshot', '-c', 'before', image]);
  const writing = await open(image, { readOnly: false });
  await writing.write(0, new Uint8Array(MiB).fill(8), false);
  await writing.close();
  await has(t, await open(image), 8);
  await has(t, await open(`qcow2://${image}`), 8);
  await has(t, await open(image, { snapshot: 'before' }), 7);
  t.is((await open(`file://${image}`)).sizeBytes % 512, 0);
  await failsWith(t, 'read-only', () => open(image).then((device) => device.write(0, new Uint8Array(1), false)));
});

test('an export of a server is a disk, over TCP and a socket in the file system', async (t) => {
  const cwd = directory(t);
  const device = memoryDevice(MiB);
  await device.write(0, new Uint8Array(MiB).fill(9), false);
  for (const where of [{ host: '127.0.0.1', port: 0 }, { path: join(cwd, 'socket') }]) {
    const server = createNbdServer({ exports: new Map([['disk', { device }]]) });
    t.teardown(() => server.close());
    server.listen(where);
    await once(server, 'listening');
    const uri =
      'path' in where
        ? `nbd+unix:///disk?socket=${where.path}`
        : `nbd://127.0.0.1:${(server.address() as AddressInfo).port}/disk`;
    await has(t, await open(uri), 9);
    const writing = await open(uri, { readOnly: false });
    await writing.write(5, new Uint8Array(3).fill(9), true);
    await has(t, writing, 9);
    await failsWith(t, 'not-found', () => open(uri.replace('disk', 'other')));
    await failsWith(t, 'unsupported', () => open(uri, { format: 'qcow2' }));
    await failsWith(t, 'unsupported', () => open(uri, { snapshot: 'one' }));
  }
});

test('what is offered for reading only is not opened for writing', async (t) => {
  const server = createNbdServer({ exports: new Map([['disk', { device: memoryDevice(MiB), readOnly: true }]]) });
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const uri = `nbd://127.0.0.1:${(server.address() as AddressInfo).port}/disk`;
  await failsWith(t, 'read-only', () => open(uri, { readOnly: false }));
  await (await open(uri)).close();
});

test('the URI names the keys that a server wants', async (t) => {
  const cwd = directory(t);
  const keys = join(cwd, 'keys.psk');
  writeFileSync(keys, 'alice:00112233445566778899aabbccddeeff\nbob:ffeeddccbbaa99887766554433221100\n');
  const settings = { keys: parseKeys('bob:ffeeddccbbaa99887766554433221100\n') };
  const server = createNbdServer({
    exports: new Map([['disk', { device: memoryDevice(MiB) }]]),
    tls: { mode: 'required', settings },
  });
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}/disk?tls-psk-file=${keys}`;
  await has(t, await open(`nbds://bob@${at}`), 0);
  await failsWith(t, 'denied', () => open(`nbds://alice@${at}`));
  await failsWith(t, 'not-found', () => open(`nbds://carol@${at}`));
  await failsWith(t, 'invalid', () => open(`nbds://bob@${at.replace('keys.psk', 'none')}`));
});

test('schemes are added, and what none is known of is told', async (t) => {
  const others = { 'memory:': () => Promise.resolve(memoryDevice(4096)) };
  await has(t, await open('memory:///any', { others }), 0);
  await failsWith(t, 'invalid', () => open('memory:///any'));
  await failsWith(t, 'invalid', () => open('file://host/path'));
  await failsWith(t, 'not-found', () => open('/nowhere/at/all'));
  t.is(schemeOf('NBD://host/x'), 'nbd:');
  t.is(schemeOf('dir/a:b'), undefined);
  t.is(schemeOf('a:b'), undefined);
  t.deepEqual(fileOf('a:b'), { path: 'a:b', format: undefined });
  t.deepEqual(fileOf('qcow2:///srv/a%20b'), { path: '/srv/a b', format: 'qcow2' });
  t.is(fileOf('nbd://host/x'), undefined);
});
