import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { checkImage } from './check-image.ts';
import { createImage } from './create-image.ts';
import { imageInfo } from './info.ts';
import { directory, qemuImg } from './qcow2/by-qemu.ts';
import { openImage, type OpenImageOptions } from './qcow2/open.ts';

const formats = ['raw', 'qcow2'] as const;

const host = createRealHost();

const open = (path: string, more: Partial<OpenImageOptions>): Promise<BlockDevice> =>
  openImage(host, path, { followsFiles: true, ...more });

/** What qemu-io says where it may not use the image, else nothing. */
function refusedOf(cwd: string, name: string, ...words: readonly string[]): string {
  const { stdout, stderr } = spawnSync('qemu-io', [...words, name], { cwd, encoding: 'utf8' });
  return /(?:Failed to get|Is another process)[^\n]*/.exec(stdout + stderr)?.[0] ?? '';
}

const write = ['-c', 'write 0 64k'];
const read = ['-r', '-c', 'read 0 64k'];

/** Serves an image by qemu-nbd until the answer is called. */
async function byQemuNbd(
  t: ExecutionContext,
  cwd: string,
  name: string,
  ...words: readonly string[]
): Promise<() => Promise<void>> {
  const socket = join(cwd, 'nbd.sock');
  const child = spawn('qemu-nbd', ['-t', '-k', socket, ...words, name], { cwd, stdio: 'ignore' });
  const gone = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
    spawnSync('rm', ['-f', socket]);
  };
  t.teardown(end);
  while (!existsSync(socket) && child.exitCode === null) await later(10);
  return end;
}

for (const format of formats) {
  test(`what we write to, QEMU does not write to, and the other way round: ${format}`, async (t) => {
    const cwd = directory(t);
    const path = join(cwd, 'a.img');
    qemuImg(cwd, 'create', '-q', '-f', format, 'a.img', '1M');
    const device = await open(path, { format, readOnly: false });
    t.regex(refusedOf(cwd, 'a.img', '-f', format, ...write), /Failed to get "write" lock|shared "write" lock/);
    await failsWith(t, 'busy', () => open(path, { format, readOnly: false }));
    await failsWith(t, 'busy', () => open(path, { format }));
    await failsWith(t, 'busy', () => createImage(host, path, { format, sizeBytes: 1024 }));
    await device.close();
    t.is(refusedOf(cwd, 'a.img', '-f', format, ...write), '');
    const end = await byQemuNbd(t, cwd, 'a.img', '-f', format);
    const error = await failsWith(t, 'busy', () => open(path, { format, readOnly: false }));
    t.regex(error!.message, /'\S+a\.img' is in use: another program, such as .*, (writes to it|may change its size)$/);
    await failsWith(t, 'busy', () => createImage(host, path, { format, sizeBytes: 1024 }));
    await end();
    await (await open(path, { format, readOnly: false })).close();
  });
}

test('what we read QEMU reads as well, and nobody writes to, and the other way round', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.img');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.img', '1M');
  const device = await open(path, {});
  const second = await open(path, {});
  t.is(refusedOf(cwd, 'a.img', ...read), '');
  t.regex(refusedOf(cwd, 'a.img', ...write), /Failed to get/);
  await failsWith(t, 'busy', () => open(path, { readOnly: false }));
  await device.close();
  await second.close();
  const end = await byQemuNbd(t, cwd, 'a.img', '-r', '-f', 'qcow2');
  await (await open(path, {})).close();
  const error = await failsWith(t, 'busy', () => open(path, { readOnly: false }));
  t.regex(error!.message, /uses it, and lets nobody write to it meanwhile$/);
  await failsWith(t, 'busy', () => checkImage(host, path, { repair: 'all' }));
  await end();
});

test('what QEMU writes to is looked at only where that is asked for', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.img');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.img', '1M');
  const end = await byQemuNbd(t, cwd, 'a.img', '-f', 'qcow2');
  await failsWith(t, 'busy', () => open(path, {}));
  await failsWith(t, 'busy', () => imageInfo(host, path));
  await failsWith(t, 'busy', () => checkImage(host, path, {}));
  await (await open(path, { forceShare: true })).close();
  t.is((await imageInfo(host, path, { forceShare: true })).format, 'qcow2');
  t.is((await checkImage(host, path, { forceShare: true }))!.corruptions, 0);
  await end();
  qemuImg(cwd, 'create', '-q', '-f', 'raw', 'b.img', '1M');
  await byQemuNbd(t, cwd, 'b.img', '-f', 'raw');
  t.is((await imageInfo(host, join(cwd, 'b.img'))).format, 'raw');
});

test('behind an image what has structures is not written by others, and its own data file neither', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '1M');
  qemuImg(cwd, 'create', '-q', '-f', 'raw', 'base.raw', '1M');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'one.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'two.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'data_file=data.raw', 'three.qcow2', '1M');
  const devices: BlockDevice[] = [];
  for (const name of ['one', 'two', 'three']) {
    devices.push(await open(join(cwd, `${name}.qcow2`), { readOnly: false }));
  }
  t.regex(refusedOf(cwd, 'base.qcow2', ...write), /Failed to get/);
  t.is(refusedOf(cwd, 'base.qcow2', ...read), '');
  t.is(refusedOf(cwd, 'base.raw', '-f', 'raw', ...write), '');
  t.regex(refusedOf(cwd, 'data.raw', '-f', 'raw', ...write), /Failed to get/);
  for (const device of devices) await device.close();
  for (const name of ['base.qcow2', 'one.qcow2', 'two.qcow2', 'three.qcow2']) {
    t.is(refusedOf(cwd, name, ...write), '', name);
  }
});

test('what a damaged image names is not kept from others when it is refused', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '1M');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'a.qcow2');
  const bytes = readFileSync(path);
  // Its refcount table is said to be far behind the end.
  bytes.writeBigUInt64BE(1n << 40n, 48);
  writeFileSync(path, bytes);
  await failsWith(t, 'corrupt', () => open(path, { readOnly: false }));
  t.is(refusedOf(cwd, 'base.qcow2', ...write), '');
});
