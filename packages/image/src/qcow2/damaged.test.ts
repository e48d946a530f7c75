import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { directory } from './by-qemu.ts';
import { checkImage } from '../check-image.ts';
import { changeSnapshots } from '../image-snapshots.ts';
import { resizeImage } from '../resize-image.ts';
import { openImage } from './open.ts';

const cases = process.env['ASHLAR_LONG'] === '1' ? 4000 : 60;

/** Words that hostile images have in their tables: the ends of ranges, and places that lead back. */
const words = [
  0n,
  1n,
  0x1ffn,
  0x200n,
  0x10000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
  0x4000_0000_0000_0000n,
  0x80ff_ffff_ffff_fe00n,
];

/** A few bytes of the first clusters, where all tables are, are others. */
function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const other = Buffer.from(bytes);
  const tables = Math.min(bytes.length, random.pick([112, 4096, 512 * 1024]));
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    if (random.oneIn(2)) other[random.below(tables)] = random.below(256);
    else other.writeBigUInt64BE(random.pick(words), random.below(Math.floor(tables / 8)) * 8);
  }
  return random.oneIn(10) ? other.subarray(0, random.below(other.length)) : other;
}

/** An image with data, zeros, compressed clusters and a snapshot. Gives its bytes. */
function makeImage(cwd: string, layout: string): Buffer {
  const run = (program: string, ...parameters: string[]): void =>
    void execFileSync(program, parameters, { cwd, stdio: 'pipe' });
  run('sh', '-c', 'head -c 300000 /usr/bin/qemu-img > some.raw; truncate -s 4M some.raw');
  run('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', layout, 'some.raw', 'a.qcow2');
  run('qemu-io', '-c', 'write -P 7 2M 64k', '-c', 'write -z 3M 64k', 'a.qcow2');
  if (!layout.includes('compat')) run('qemu-img', 'bitmap', '--add', 'a.qcow2', 'b0');
  run('qemu-img', 'snapshot', '-c', 'one', 'a.qcow2');
  run('qemu-io', '-c', 'write -P 8 2M 4k', 'a.qcow2');
  return readFileSync(join(cwd, 'a.qcow2'));
}

/** Changes what a device shows here and there. */
async function useDevice(device: BlockDevice, random: SeededRandom): Promise<void> {
  const size = Math.min(device.sizeBytes, 8 * 1024 * 1024);
  for (let count = 0; count < 20; count += 1) {
    const length = Math.min(size, random.pick([512, 4096, 70_000]));
    const offset = random.below(size - length + 1);
    if (random.oneIn(3)) await device.trim(offset, length, false);
    else await device.write(offset, new Uint8Array(length).fill(5), false);
    if (random.oneIn(5)) await device.flush();
  }
}

const layouts = [
  'cluster_size=64k',
  'cluster_size=512',
  'extended_l2=on,cluster_size=16k',
  'compression_type=zstd',
  'compat=0.10',
];

for (const layout of layouts) {
  test(`whatever is damaged in an image made with '${layout}', it is read or refused, and nothing else`, async (t) => {
    const cwd = directory(t);
    const bytes = makeImage(cwd, layout);
    const path = join(cwd, 'b.qcow2');
    let read = 0;
    for (let seed = 1; seed <= cases; seed += 1) {
      const random = new SeededRandom(seed);
      writeFileSync(path, damaged(bytes, random));
      try {
        const snapshot = random.oneIn(3) ? 'one' : undefined;
        const device = await openImage(createRealHost(), path, { format: 'qcow2', followsFiles: true, snapshot });
        const into = new Uint8Array(64 * 1024);
        for (let at = 0; at + into.length <= Math.min(device.sizeBytes, 8 * 1024 * 1024); at += into.length)
          await device.read(at, into);
        await device.extents(0, Math.min(device.sizeBytes, 2 ** 40), 1000);
        await device.close();
        read += 1;
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error;
      }
    }
    t.true(read > 0 && read < cases, `${read} of ${cases} were read`);
  });
}

for (const layout of layouts) {
  test(`whatever is damaged in an image made with '${layout}', its snapshots and its size change, or it is refused`, async (t) => {
    const cwd = directory(t);
    const bytes = makeImage(cwd, layout);
    const path = join(cwd, 'b.qcow2');
    const host = createRealHost();
    let done = 0;
    for (let seed = 1; seed <= cases; seed += 1) {
      const random = new SeededRandom(seed);
      writeFileSync(path, damaged(bytes, random));
      try {
        await changeSnapshots(host, path, 'create', 'two');
        await changeSnapshots(host, path, random.pick(['apply', 'delete']), 'one');
        await resizeImage(host, path, (before) => before + random.below(3) * 1024 * 1024 - 512, { shrinks: true });
        done += 1;
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error;
      }
    }
    t.true(done < cases, `${done} of ${cases}`);
  });
}

for (const layout of layouts) {
  test(`whatever is damaged in an image made with '${layout}', it is checked, mended, written to, or refused`, async (t) => {
    const cwd = directory(t);
    const bytes = makeImage(cwd, layout);
    const path = join(cwd, 'b.qcow2');
    const host = createRealHost();
    let [mended, written] = [0, 0];
    const orRefused = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error;
      }
    };
    for (let seed = 1; seed <= cases; seed += 1) {
      const random = new SeededRandom(seed);
      const other = damaged(bytes, random);
      const use = async (): Promise<void> => {
        const device = await openImage(host, path, { format: 'qcow2', followsFiles: true, readOnly: false });
        // What was begun is ended, whatever became of it.
        await useDevice(device, random).finally(() => device.close());
        written += 1;
      };
      writeFileSync(path, other);
      await orRefused(use);
      writeFileSync(path, other);
      await orRefused(async () => {
        await checkImage(host, path, { format: 'qcow2' });
        t.true(readFileSync(path).equals(other), 'a check changes nothing');
        const { corruptions } = (await checkImage(host, path, { format: 'qcow2', repair: 'all' }))!;
        if (corruptions > 0) return;
        const again = (await checkImage(host, path, { format: 'qcow2' }))!;
        t.deepEqual([again.corruptions, again.leaks], [0, 0], `${seed}`);
        mended += 1;
        await use();
        t.is((await checkImage(host, path, { format: 'qcow2' }))!.corruptions, 0, `${seed}`);
      });
    }
    t.true(mended > 0 && written > 0, `${mended} were mended, ${written} written`);
  });
}
