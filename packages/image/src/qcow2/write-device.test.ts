import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { blockDeviceContract, failsWith, SeededRandom } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { createDefaults, createQcow2 } from './create.ts';
import { checked, contentsOf, directory, layouts, qemuImg, qemuIo } from './by-qemu.ts';
import { openImage } from './open.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const sizeBytes = 6 * MiB + 512;

const open = (path: string): Promise<BlockDevice> =>
  openImage(createRealHost(), path, { format: 'qcow2', followsFiles: true, readOnly: false });

/** An image that is written at random through our device, and what it must show. */
class Written {
  readonly cwd: string;
  readonly random: SeededRandom;
  readonly model: Uint8Array;
  device: BlockDevice | undefined;

  constructor(cwd: string, seed: number, before: Uint8Array) {
    this.cwd = cwd;
    this.random = new SeededRandom(seed);
    this.model = before;
  }

  async reopen(): Promise<void> {
    await this.device?.close();
    this.device = await open(join(this.cwd, 'a.qcow2'));
  }

  async change(): Promise<void> {
    const { model, random } = this;
    const device = this.device!;
    const length = random.pick([512, 4096, 1000, 70_000, 300_000]);
    const offset = random.below(model.length - length);
    const kind = random.below(10);
    if (kind < 6) {
      const bytes = new Uint8Array(length).fill(1 + random.below(255));
      model.set(bytes, offset);
      await device.write(offset, bytes, random.oneIn(10));
    } else if (kind < 9) {
      model.fill(0, offset, offset + length);
      if (kind === 6) await device.trim(offset, length, false);
      else await device.zero(offset, length, kind === 7 ? 'may-trim' : 'keep-allocated', false);
    } else if (random.oneIn(2)) await device.flush();
    else await this.reopen();
  }

  async isSame(t: ExecutionContext): Promise<void> {
    const found = Buffer.alloc(this.model.length);
    for (let at = 0; at < found.length; at += MiB) await this.device!.read(at, found.subarray(at, at + MiB));
    t.true(found.equals(this.model), 'what is read is what was written');
  }
}

const changes = 120;

for (const layout of layouts) {
  for (const isBacked of layout.includes('data_file_raw') || layout.includes('preallocation')
    ? [false]
    : [false, true]) {
    test.serial(
      `what is written to an image made with '${layout}'${isBacked ? ' over another' : ''} QEMU reads, and finds in order`,
      async (t) => {
        const cwd = directory(t);
        qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '4M');
        qemuIo(cwd, 'base.qcow2', 'write -P 9 0 4M');
        const options = layout === '' ? [] : ['-o', layout];
        const behind = isBacked ? ['-b', 'base.qcow2', '-F', 'qcow2'] : [];
        qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...behind, ...options, 'a.qcow2', String(sizeBytes));
        const written = new Written(cwd, 1, Uint8Array.from(contentsOf(cwd, 'a.qcow2')));
        await written.reopen();
        for (let count = 0; count < changes; count += 1) await written.change();
        await written.isSame(t);
        await written.device!.close();
        const { status, said } = checked(cwd, 'a.qcow2');
        t.is(status, 0, said);
        t.true(contentsOf(cwd, 'a.qcow2').equals(written.model), 'QEMU reads what was written');
      },
    );
  }
}

test.serial('what is compressed or of a snapshot is written elsewhere, and the snapshot stays', async (t) => {
  const cwd = directory(t);
  for (const layout of [
    'compression_type=zlib',
    'compression_type=zstd,extended_l2=on',
    'compat=0.10',
    'cluster_size=512',
  ]) {
    spawnSync(
      'sh',
      ['-c', `head -c 5000000 /usr/bin/qemu-img > some.raw; truncate -s ${sizeBytes} some.raw; rm -f a.qcow2`],
      { cwd },
    );
    qemuImg(cwd, 'convert', '-c', '-O', 'qcow2', '-o', layout, 'some.raw', 'a.qcow2');
    qemuIo(cwd, 'a.qcow2', 'write -P 3 1M 200k');
    qemuImg(cwd, 'snapshot', '-c', 'before', 'a.qcow2');
    const before = contentsOf(cwd, 'a.qcow2');
    const written = new Written(cwd, 2, Uint8Array.from(before));
    await written.reopen();
    for (let count = 0; count < changes; count += 1) await written.change();
    await written.isSame(t);
    await written.device!.close();
    const { status, said } = checked(cwd, 'a.qcow2');
    t.is(status, 0, `${layout}: ${said}`);
    t.true(contentsOf(cwd, 'a.qcow2').equals(written.model), `${layout}: QEMU reads what was written`);
    t.true(
      contentsOf(cwd, '-l', 'snapshot.name=before', 'a.qcow2').equals(before),
      `${layout}: the snapshot is as it was`,
    );
  }
});

test.serial(
  'an image whose writer was killed has clusters that nobody has at the worst, and all that was flushed',
  async (t) => {
    const cwd = directory(t);
    for (const layout of ['', 'cluster_size=512', 'extended_l2=on']) {
      qemuImg(
        cwd,
        'create',
        '-q',
        '-f',
        'qcow2',
        ...(layout === '' ? [] : ['-o', layout]),
        'a.qcow2',
        String(sizeBytes),
      );
      const written = new Written(cwd, 3, new Uint8Array(sizeBytes));
      await written.reopen();
      for (let count = 0; count < changes; count += 1) {
        await written.change();
        if (count % 10 > 0) continue;
        await written.device!.flush();
        copyFileSync(join(cwd, 'a.qcow2'), join(cwd, 'killed.qcow2'));
        const { status, said } = checked(cwd, 'killed.qcow2');
        t.true(status === 0 || status === 3, said);
        t.true(contentsOf(cwd, 'killed.qcow2').equals(written.model), `${layout}: what was flushed is there`);
        await written.change();
        await written.change();
        copyFileSync(join(cwd, 'a.qcow2'), join(cwd, 'killed.qcow2'));
        const later = checked(cwd, 'killed.qcow2');
        t.true(later.status === 0 || later.status === 3, later.said);
      }
      await written.device!.close();
      rmSync(join(cwd, 'a.qcow2'));
    }
  },
);

test.serial(
  'an image whose refcounts its writer kept for later is mended before it is written, and one that is damaged refused',
  async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', 'a.qcow2', '4M');
    spawnSync('qemu-io', ['-c', 'write -P 5 0 1M', '-c', 'flush', '-c', 'abort', 'a.qcow2'], { cwd });
    t.is(checked(cwd, 'a.qcow2').status, 2);
    const device = await open(join(cwd, 'a.qcow2'));
    await device.write(MiB, new Uint8Array(MiB).fill(6), false);
    await device.close();
    const { said, status } = checked(cwd, 'a.qcow2');
    t.is(status, 0, said);
    qemuIo(cwd, 'a.qcow2', 'read -P 5 0 1M', 'read -P 6 1M 1M', 'read -P 0 2M 2M');
    const bytes = readFileSync(join(cwd, 'a.qcow2'));
    bytes.writeUInt8(2, 79);
    writeFileSync(join(cwd, 'a.qcow2'), bytes);
    await failsWith(t, 'corrupt', () => open(join(cwd, 'a.qcow2')));
  },
);

blockDeviceContract(test, 'qcow2', {
  create: async (size) => {
    const cwd = mkdtempSync(join(tmpdir(), 'ashlar-qcow2-'));
    await createQcow2(createRealHost(), join(cwd, 'a.qcow2'), { ...createDefaults, sizeBytes: size });
    let device = await open(join(cwd, 'a.qcow2'));
    return {
      device,
      reopen: async () => {
        await device.close();
        device = await open(join(cwd, 'a.qcow2'));
        return device;
      },
      dispose: () => rmSync(cwd, { recursive: true }),
    };
  },
  sparseSizeBytes: 2 ** 40,
  sizeUnitBytes: 512,
});
