import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alignUp, type BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { checked, contentsOf, directory, layouts, qemuImg, qemuIo } from './by-qemu.ts';
import { openImage, openWriteDevice } from './open.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const changes = process.env['ASHLAR_LONG'] === '1' ? 200 : 25;

const open = (path: string): Promise<BlockDevice> =>
  openImage(createRealHost(), path, { format: 'qcow2', followsFiles: true, readOnly: false });

function resized(model: Buffer, sizeBytes: number): Buffer {
  const next = Buffer.alloc(sizeBytes);
  model.copy(next);
  return next;
}

for (const layout of layouts.filter((each) => !each.includes('preallocation'))) {
  for (const isBacked of layout.includes('data_file_raw') ? [false] : [false, true]) {
    test(`an image made with '${layout}'${isBacked ? ' over another' : ''} has any size, and zeros where it grew`, async (t) => {
      const cwd = directory(t);
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '5M');
      qemuIo(cwd, 'base.qcow2', 'write -P 9 0 5M');
      const options = layout === '' ? [] : ['-o', layout];
      const behind = isBacked ? ['-b', 'base.qcow2', '-F', 'qcow2'] : [];
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...behind, ...options, 'a.qcow2', '2M');
      let model: Buffer = Buffer.alloc(2 * MiB, isBacked ? 9 : 0);
      const random = new SeededRandom(7);
      let device = await open(join(cwd, 'a.qcow2'));
      for (let count = 0; count < changes; count += 1) {
        const kind = random.below(10);
        if (kind < 5) {
          const length = Math.min(model.length, random.pick([512, 5000, 300_000]));
          const offset = random.below(model.length - length + 1);
          const bytes = new Uint8Array(length).fill(1 + random.below(255));
          model.set(bytes, offset);
          await device.write(offset, bytes, false);
        } else if (kind < 9) {
          const size = alignUp(1 + random.below(random.pick([100 * KiB, 2 * MiB, 8 * MiB])), 512);
          await device.resize(size);
          model = resized(model, size);
          t.is(device.sizeBytes, size);
        } else {
          await device.close();
          device = await open(join(cwd, 'a.qcow2'));
        }
        const found = Buffer.alloc(model.length);
        await device.read(0, found);
        if (!found.equals(model)) t.fail(`${count}: what is read is what was written`);
      }
      await device.close();
      const { status, said } = checked(cwd, 'a.qcow2');
      t.is(status, 0, said);
      t.true(contentsOf(cwd, 'a.qcow2').equals(model), 'QEMU reads the same');
    });
  }
}

test('an image that is killed while its size changes has lost clusters at the worst, and one of the two sizes', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', 'a.qcow2', '1M');
  qemuIo(cwd, 'a.qcow2', 'write -P 3 0 1M');
  const device = await open(join(cwd, 'a.qcow2'));
  for (const size of [3 * MiB, 200 * KiB, 5 * MiB, 512]) {
    const before = device.sizeBytes;
    const growing = device.resize(size) as Promise<void>;
    let isDone = false;
    void growing.then(() => (isDone = true));
    for (let turn = 0; !isDone; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 20 > 0) continue;
      copyFileSync(join(cwd, 'a.qcow2'), join(cwd, 'killed.qcow2'));
      const { status, said } = checked(cwd, 'killed.qcow2');
      t.true(status === 0 || status === 3, said);
      const info = JSON.parse(qemuImg(cwd, 'info', '--output', 'json', 'killed.qcow2')) as { 'virtual-size': number };
      t.true([before, size].includes(info['virtual-size']));
    }
    await growing;
  }
  await device.close();
});

test('what was cut off does not come back, and the file becomes smaller', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '64M');
  qemuIo(cwd, 'a.qcow2', 'write -P 3 0 64M');
  const device = await open(join(cwd, 'a.qcow2'));
  await device.resize(MiB + 512);
  await device.close();
  t.true(readFileSync(join(cwd, 'a.qcow2')).length < 3 * MiB);
  const again = await open(join(cwd, 'a.qcow2'));
  await again.resize(64 * MiB);
  await again.close();
  qemuIo(cwd, 'a.qcow2', `read -P 3 0 ${MiB + 512}`, `read -P 0 ${MiB + 512} ${63 * MiB - 512}`);
});

test('a snapshot keeps its size, and keeps an image of an old format from another', async (t) => {
  const cwd = directory(t);
  for (const [name, compat] of [
    ['new', '1.1'],
    ['old', '0.10'],
  ]) {
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', `compat=${compat}`, `${name}.qcow2`, '2M');
    qemuIo(cwd, `${name}.qcow2`, 'write -P 3 0 2M');
    qemuImg(cwd, 'snapshot', '-c', 'one', `${name}.qcow2`);
  }
  const old = await open(join(cwd, 'old.qcow2'));
  await failsWith(t, 'unsupported', () => old.resize(4 * MiB));
  await old.close();
  const device = await open(join(cwd, 'new.qcow2'));
  await device.resize(MiB);
  await device.resize(3 * MiB);
  await device.close();
  t.is(checked(cwd, 'new.qcow2').status, 0);
  const snapshot = await openImage(createRealHost(), join(cwd, 'new.qcow2'), { followsFiles: true, snapshot: 'one' });
  t.is(snapshot.sizeBytes, 2 * MiB);
  const found = Buffer.alloc(2 * MiB);
  await snapshot.read(0, found);
  await snapshot.close();
  t.true(found.equals(Buffer.alloc(2 * MiB, 3)));
  qemuIo(cwd, 'new.qcow2', 'read -P 3 0 1M', 'read -P 0 1M 2M');
});

test('places for what is added read as zeros, also where something else was before', async (t) => {
  const cwd = directory(t);
  for (const layout of ['compat=1.1', 'compat=0.10', 'extended_l2=on', 'data_file=d.raw']) {
    for (const room of ['metadata', 'falloc'] as const) {
      spawnSync('rm', ['-f', 'a.qcow2', 'd.raw'], { cwd });
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', layout, 'a.qcow2', '4M');
      const device = await openWriteDevice(createRealHost(), join(cwd, 'a.qcow2'));
      await device.write(0, new Uint8Array(4 * MiB).fill(7), false);
      await device.trim(MiB, 2 * MiB, false);
      await device.flush();
      await device.resize(8 * MiB, room);
      await device.close();
      const { status, said } = checked(cwd, 'a.qcow2');
      t.is(status, 0, said);
      t.regex(said, /96\/128 = 75.00% allocated/, `${layout} ${room}`);
      qemuIo(cwd, 'a.qcow2', 'read -P 7 0 1M', 'read -P 0 1M 2M', 'read -P 7 3M 1M', 'read -P 0 4M 4M');
    }
  }
});
