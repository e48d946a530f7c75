import { randomFillSync } from 'node:crypto';
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { alignDown } from '@ashlar/core';
import { createRealHost, type Host } from '@ashlar/host';
import { failsWith, SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { checked, contentsOf, directory, qemuImg, qemuIo } from './by-qemu.ts';
import { compressedOver } from './compressed-target.ts';
import { openWriteDevice } from './open.ts';
import { Packer } from './packer.ts';
import { watched } from './watched-host.ts';
import type { WriteDevice } from './write-device.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const sizeBytes = 6 * MiB + 512;
const changes = process.env['ASHLAR_LONG'] === '1' ? 1000 : 80;

/** Bytes of which so many in a hundred are random. */
function someBytes(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.alloc(length, 1 + random.below(255));
  return randomFillSync(bytes, 0, Math.floor((length * random.pick([1, 10, 30, 60, 100])) / 100));
}

/** An image that is written at random, its clusters compressed or not, and what it must show. */
class Packed {
  readonly path: string;
  readonly random = new SeededRandom(3);
  readonly model: Buffer;
  readonly #host: Host;
  #device: WriteDevice | undefined;
  #packer: Packer | undefined;

  constructor(path: string, model: Buffer, host: Host = createRealHost()) {
    this.path = path;
    this.model = model;
    this.#host = host;
  }

  async reopen(): Promise<void> {
    await this.#device?.close();
    this.#device = await openWriteDevice(this.#host, this.path);
    const { clusterBytes, compression } = this.#device.packing;
    this.#packer = new Packer(compression, clusterBytes);
  }

  async change(): Promise<void> {
    const { model, random } = this;
    const device = this.#device!;
    const kind = random.below(20);
    if (kind < 12) return await this.#compress();
    const length = 512 * random.pick([1, 10, 137]);
    const offset = alignDown(random.below(model.length - length), 512);
    if (kind < 16) {
      const bytes = someBytes(random, length);
      model.set(bytes, offset);
      await device.write(offset, bytes, false);
    } else if (kind < 18) {
      model.fill(0, offset, offset + length);
      await device.zero(offset, length, 'may-trim', false);
    } else if (kind === 18) await device.flush();
    else await this.reopen();
  }

  /** Some clusters at once. */
  async #compress(): Promise<void> {
    const { clusterBytes } = this.#device!.packing;
    const clusters = Math.ceil(sizeBytes / clusterBytes);
    const first = this.random.below(clusters);
    const count = Math.min(1 + this.random.below(5), clusters - first);
    await Promise.all(Array.from({ length: count }, (_, at) => this.#compressOne((first + at) * clusterBytes)));
  }

  async #compressOne(offset: number): Promise<void> {
    const device = this.#device!;
    const bytes = someBytes(this.random, Math.min(device.packing.clusterBytes, sizeBytes - offset));
    this.model.set(bytes, offset);
    await this.#packer!.pack(bytes, async (packed) =>
      packed === undefined ? await device.write(offset, bytes, false) : await device.writeCompressed(offset, packed),
    );
  }

  async isSame(): Promise<boolean> {
    const found = Buffer.alloc(this.model.length);
    await this.#device!.read(0, found);
    return found.equals(this.model);
  }

  async flush(): Promise<void> {
    await this.#device!.flush();
  }

  async close(): Promise<void> {
    await this.#device!.close();
  }
}

for (const layout of [
  'compression_type=zlib',
  'compression_type=zstd,extended_l2=on',
  'compat=0.10,cluster_size=4k',
  'cluster_size=512',
  'cluster_size=16k,refcount_bits=2',
]) {
  test(`clusters of an image made with '${layout}' are compressed in place of whatever they were`, async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', layout, 'a.qcow2', String(sizeBytes));
    qemuIo(cwd, 'a.qcow2', 'write -P 3 1M 200k', 'write -P 4 3M 1M');
    qemuImg(cwd, 'snapshot', '-c', 'before', 'a.qcow2');
    const before = contentsOf(cwd, 'a.qcow2');
    const packed = new Packed(join(cwd, 'a.qcow2'), Buffer.from(before));
    await packed.reopen();
    for (let count = 0; count < changes; count += 1) await packed.change();
    t.true(await packed.isSame());
    await packed.close();
    const { status, said } = checked(cwd, 'a.qcow2');
    t.is(status, 0, said);
    t.true(contentsOf(cwd, 'a.qcow2').equals(packed.model), 'QEMU reads what was written');
    t.true(contentsOf(cwd, '-l', 'before', 'a.qcow2').equals(before), 'and what the snapshot has');
  });
}

test('an image that is killed while it is compressed has clusters that nobody has at the worst', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', 'a.qcow2', String(sizeBytes));
  qemuIo(cwd, 'a.qcow2', 'write -P 3 1M 200k');
  const path = join(cwd, 'a.qcow2');
  let writes = 0;
  const host = watched(createRealHost(), () => {
    writes += 1;
    copyFileSync(path, join(cwd, 'killed.qcow2'));
    const { status, said } = checked(cwd, 'killed.qcow2');
    t.true(status === 0 || status === 3, said);
  });
  const packed = new Packed(path, contentsOf(cwd, 'a.qcow2'), host);
  await packed.reopen();
  for (let count = 0; count < 100; count += 1) {
    await packed.change();
    await packed.flush();
  }
  await packed.close();
  t.true(writes > 100, String(writes));
});

test('what is written to an image that is there takes no more room than in a new one, and what it does not reach stays', async (t) => {
  const cwd = directory(t);
  const bytes = Buffer.alloc(2 * MiB + 1024, 'some text that is compressed well. ');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '4M');
  qemuIo(cwd, 'a.qcow2', 'write -P 7 2M 64k');
  const { sizeBytes: size, target } = await compressedOver(createRealHost(), join(cwd, 'a.qcow2'), false);
  t.is(size, 4 * MiB);
  for (let at = 0; at < bytes.length; at += target.unitBytes) {
    await target.write(at, bytes.subarray(at, at + target.unitBytes));
  }
  await target.finish(true);
  await target.close();
  const found = contentsOf(cwd, 'a.qcow2');
  t.true(found.subarray(0, bytes.length).equals(bytes));
  t.deepEqual(found.subarray(bytes.length, 2 * MiB + 64 * KiB), Buffer.alloc(64 * KiB - 1024, 7));
  t.is(checked(cwd, 'a.qcow2').status, 0);
  t.true(statSync(join(cwd, 'a.qcow2')).size < 8 * 64 * KiB, 'tables, one cluster that was there, and few more');
});

test('an image whose data lies in another file is not compressed', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'data_file=data.raw', 'a.qcow2', '4M');
  await failsWith(t, 'invalid', () => compressedOver(createRealHost(), join(cwd, 'a.qcow2'), false));
});
