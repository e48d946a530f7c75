import { execFileSync } from 'node:child_process';
import { openSync, readFileSync, readSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { directory, layouts, qemuImg, qemuIo } from './by-qemu.ts';
import { openImage, type OpenImageOptions } from './open.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

const open = (path: string, more: Partial<OpenImageOptions> = {}): Promise<BlockDevice> =>
  openImage(createRealHost(), path, { followsFiles: true, ...more });

/** All that the device has is what QEMU reads of the image, asked for by pieces of odd sizes. */
async function isSame(
  t: ExecutionContext,
  cwd: string,
  name: string,
  more: Partial<OpenImageOptions> = {},
): Promise<void> {
  const source = more.snapshot === undefined ? [name] : ['-l', `snapshot.name=${more.snapshot}`, name];
  qemuImg(cwd, 'convert', '-O', 'raw', ...source, 'expected.raw');
  const path = join(cwd, 'expected.raw');
  const device = await open(join(cwd, name), more);
  // QEMU gives a snapshot the size that the image has now.
  if (more.snapshot !== undefined) truncateSync(path, device.sizeBytes);
  t.is(device.sizeBytes, statSync(path).size, name);
  const file = openSync(path, 'r');
  const step = 300 * KiB + 77;
  for (let at = 0; at < device.sizeBytes; at += step) {
    const found = Buffer.alloc(Math.min(step, device.sizeBytes - at));
    const expected = Buffer.alloc(found.length);
    readSync(file, expected, 0, expected.length, at);
    await device.read(at, found);
    if (!found.equals(expected)) t.fail(`${name}: differs in the ${found.length} bytes from ${at} on`);
  }
  await areHoles(t, device, path);
  await device.close();
}

/** What is said to be zeros is. */
async function areHoles(t: ExecutionContext, device: BlockDevice, path: string): Promise<void> {
  const bytes = readFileSync(path);
  const extents = await device.extents(0, device.sizeBytes, 100_000);
  let at = 0;
  for (const { offset, length, state } of extents) {
    t.is(offset, at);
    at += length;
    if (state !== 'data')
      t.true(bytes.subarray(offset, at).equals(Buffer.alloc(length)), `${offset}+${length} is ${state}`);
  }
  t.is(at, device.sizeBytes);
}

const writes = [
  'write -P 1 0 64k',
  'write -P 2 100k 300k',
  'write -P 3 5M 2M',
  'write -P 4 7777k 1k',
  'write -z 5500k 100k',
  'write -z -u 6M 512k',
  'discard 128k 128k',
  'write -P 5 10238k 2k',
];

for (const layout of layouts) {
  test.serial(`an image made with '${layout}' is read as QEMU reads it`, async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...(layout === '' ? [] : ['-o', layout]), 'a.qcow2', '10M');
    // Version 2 has no zeros to write without a fall-back, and qemu-io has one.
    qemuIo(cwd, 'a.qcow2', ...writes);
    await isSame(t, cwd, 'a.qcow2');
  });

  // QEMU makes none of these over another.
  if (layout.includes('data_file_raw') || layout.includes('preallocation')) continue;

  test.serial(`one made with '${layout}' over another is read through to that`, async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '7M');
    qemuIo(cwd, 'base.qcow2', 'write -P 9 0 7M');
    const options = ['-b', 'base.qcow2', '-F', 'qcow2', ...(layout === '' ? [] : ['-o', layout])];
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...options, 'a.qcow2', '10M');
    qemuIo(cwd, 'a.qcow2', ...writes);
    await isSame(t, cwd, 'a.qcow2');
  });
}

for (const layout of [
  'compression_type=zlib',
  'compression_type=zstd',
  'compat=0.10',
  'cluster_size=2M',
  'cluster_size=4k,compression_type=zstd',
  'extended_l2=on',
]) {
  test.serial(`compressed clusters of '${layout}' are read, and those that were written over`, async (t) => {
    const cwd = directory(t);
    execFileSync('sh', ['-c', 'head -c 6000000 /usr/bin/qemu-img > some.raw; truncate -s 10M some.raw'], { cwd });
    qemuImg(cwd, 'convert', '-c', '-O', 'qcow2', '-o', layout, 'some.raw', 'a.qcow2');
    await isSame(t, cwd, 'a.qcow2');
    qemuIo(cwd, 'a.qcow2', 'write -P 7 100k 5k', 'discard 1M 1M');
    await isSame(t, cwd, 'a.qcow2');
  });
}

test.serial('each snapshot of an image is read as it was, by its name and by its id', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '10M');
  for (const number of [1, 2, 3]) {
    qemuIo(cwd, 'a.qcow2', `write -P ${number} ${number}M 3M`);
    qemuImg(cwd, 'snapshot', '-c', `s${number}`, 'a.qcow2');
  }
  qemuImg(cwd, 'resize', '-q', 'a.qcow2', '12M');
  qemuIo(cwd, 'a.qcow2', 'write -P 9 0 12M');
  for (const number of [1, 2, 3]) await isSame(t, cwd, 'a.qcow2', { snapshot: `s${number}` });
  const byId = await open(join(cwd, 'a.qcow2'), { snapshot: '2' });
  const found = new Uint8Array(1);
  await byId.read(2 * MiB, found);
  t.deepEqual([...found], [2]);
  await byId.close();
  await failsWith(t, 'not-found', () => open(join(cwd, 'a.qcow2'), { snapshot: 'none' }));
});

test.serial('a chain of images of several formats and sizes is read to its end', async (t) => {
  const cwd = directory(t);
  execFileSync('sh', ['-c', 'yes ashlar | head -c 3000000 > base.raw; mkdir sub'], { cwd });
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', '../base.raw', '-F', 'raw', 'sub/one.qcow2', '5M');
  qemuIo(cwd, 'sub/one.qcow2', 'write -P 1 1M 64k');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'sub/one.qcow2', '-F', 'qcow2', 'two.qcow2', '4M');
  qemuIo(cwd, 'two.qcow2', 'write -P 2 2M 64k');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', join(cwd, 'two.qcow2'), '-F', 'qcow2', 'three.qcow2', '8M');
  await isSame(t, cwd, 'three.qcow2');
  for (let number = 0; number < 100; number += 1) {
    const before = number === 0 ? 'three.qcow2' : `chain${number - 1}.qcow2`;
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', before, '-F', 'qcow2', `chain${number}.qcow2`);
  }
  await isSame(t, cwd, 'chain99.qcow2');
});

test.serial('files that an image names are opened only where that is allowed', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'raw', 'base.raw', '1M');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'data_file=d.raw', 'b.qcow2', '1M');
  for (const name of ['a.qcow2', 'b.qcow2']) {
    await failsWith(t, 'denied', () => open(join(cwd, name), { followsFiles: false }));
  }
});

test.serial('what is no image that can be read is refused with a sentence', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '1M');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'loop.qcow2');
  qemuImg(cwd, 'rebase', '-u', '-b', 'loop.qcow2', '-F', 'qcow2', 'base.qcow2');
  await failsWith(t, 'invalid', () => open(join(cwd, 'loop.qcow2')));
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'luks.qcow2', '1M');
  const bytes = readFileSync(join(cwd, 'luks.qcow2'));
  bytes.writeUInt32BE(2, 32);
  writeFileSync(join(cwd, 'luks.qcow2'), bytes);
  const error = await failsWith(t, 'unsupported', () => open(join(cwd, 'luks.qcow2')));
  t.regex(error!.message, /is encrypted/);
  await failsWith(t, 'not-found', () => open(join(cwd, 'none.qcow2')));
  await failsWith(t, 'invalid', () =>
    open(join(cwd, 'base.qcow2').replace('base.qcow2', 'loop.qcow2'), { format: 'qcow2', snapshot: undefined }),
  );
});
