import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, SeededRandom, testWithTools } from '@ashlar/testing';
import test from 'ava';
import { imageInfo } from '../../info.ts';
import { checked, directory, qemuImg, qemuIo } from '../by-qemu.ts';
import { openImage } from '../open.ts';
import { watched } from '../watched-host.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const sizeBytes = 40 * MiB + 512;
const host = createRealHost();
const testNbd = testWithTools(test, 'nbdinfo', 'qemu-nbd');

const open = (path: string, readOnly = false, on = host): Promise<BlockDevice> =>
  openImage(on, path, { format: 'qcow2', followsFiles: true, readOnly });

type Run = { readonly offset: number; readonly length: number; readonly type: number };
type Changed = readonly [from: number, to: number];

/** What QEMU says was written, by a bitmap. */
function byQemu(cwd: string, name: string, bitmap: string): Changed[] {
  const words = [
    '--json',
    `--map=qemu:dirty-bitmap:${bitmap}`,
    '--',
    '[',
    'qemu-nbd',
    '-r',
    '-f',
    'qcow2',
    '-B',
    bitmap,
    name,
    ']',
  ];
  const runs = JSON.parse(execFileSync('nbdinfo', words, { cwd, encoding: 'utf8' })) as Run[];
  return joined(runs.filter(({ type }) => type === 1).map(({ length, offset }) => [offset, offset + length]));
}

async function byUs(device: BlockDevice, bitmap: string): Promise<Changed[]> {
  const found: Changed[] = [];
  for (let at = 0; at < device.sizeBytes;) {
    const runs = await device.bitmaps!.changes(bitmap, at, device.sizeBytes - at, 7);
    for (const { isChanged, length, offset } of runs) {
      if (isChanged) found.push([offset, offset + length]);
      at = offset + length;
    }
  }
  return joined(found);
}

function joined(runs: readonly Changed[]): Changed[] {
  const found: Changed[] = [];
  for (const [from, to] of runs) {
    const last = found.at(-1);
    if (last?.[1] === from) found[found.length - 1] = [last[0], to];
    else found.push([from, to]);
  }
  return found;
}

/** Clusters of 512 bytes: a bitmap has several. */
const layouts = ['cluster_size=64k', 'cluster_size=512', 'extended_l2=on'];

for (const layout of layouts) {
  testNbd(
    `bitmaps of an image made with '${layout}' say what QEMU wrote and what we did, to QEMU and to us`,
    async (t) => {
      const cwd = directory(t);
      const path = join(cwd, 'a.qcow2');
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', layout, 'a.qcow2', String(sizeBytes));
      for (const [name, granularity] of [
        ['fine', '4k'],
        ['coarse', '1M'],
      ]) {
        qemuImg(cwd, 'bitmap', '--add', '-g', granularity!, 'a.qcow2', name!);
      }
      qemuImg(cwd, 'bitmap', '--add', '--disable', 'a.qcow2', 'still');
      const random = new SeededRandom(3);
      for (let round = 0; round < 4; round += 1) {
        qemuIo(cwd, 'a.qcow2', `write ${random.below(39 * KiB)}k 100k`);
        const device = await open(path);
        t.deepEqual([...device.bitmaps!.names].toSorted(), ['coarse', 'fine', 'still']);
        for (let count = 0; count < 6; count += 1) {
          const length = random.pick([512, 70_000, 3 * MiB]);
          const offset = random.below(sizeBytes - length);
          if (count % 3 === 0) await device.trim(offset, length, false);
          else if (count % 3 === 1) await device.zero(offset, length, 'keep-allocated', false);
          else await device.write(offset, new Uint8Array(length).fill(1), false);
        }
        const now = { fine: await byUs(device, 'fine'), coarse: await byUs(device, 'coarse') };
        await device.close();
        const { said, status } = checked(cwd, 'a.qcow2');
        t.is(status, 0, said);
        t.deepEqual(byQemu(cwd, 'a.qcow2', 'fine'), now.fine);
        t.deepEqual(byQemu(cwd, 'a.qcow2', 'coarse'), now.coarse);
        t.deepEqual(byQemu(cwd, 'a.qcow2', 'still'), []);
        const reader = await open(path, true);
        t.deepEqual(await byUs(reader, 'fine'), now.fine);
        await failsWith(t, 'not-found', () => reader.bitmaps!.changes('none', 0, 512, 1));
        await reader.close();
      }
      for (const name of ['fine', 'coarse']) qemuImg(cwd, 'bitmap', '--clear', 'a.qcow2', name);
      const device = await open(path);
      t.deepEqual(await byUs(device, 'fine'), []);
      await device.write(sizeBytes - 512, new Uint8Array(512), false);
      await device.close();
      t.deepEqual(byQemu(cwd, 'a.qcow2', 'fine'), [[40 * MiB, sizeBytes]]);
      t.deepEqual(byQemu(cwd, 'a.qcow2', 'coarse'), [[40 * MiB, sizeBytes]]);
      t.is(checked(cwd, 'a.qcow2').status, 0);
    },
  );
}

for (const layout of layouts) {
  testNbd(`bitmaps of an image made with '${layout}' go along with its size, as QEMU lets them`, async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', layout, 'ours.qcow2', '3M');
    qemuImg(cwd, 'bitmap', '--add', '-g', '512', 'ours.qcow2', 'fine');
    qemuImg(cwd, 'bitmap', '--add', '-g', '64k', 'ours.qcow2', 'still');
    qemuIo(cwd, 'ours.qcow2', 'write 100k 1k', 'write 2M 1M');
    qemuImg(cwd, 'bitmap', '--disable', 'ours.qcow2', 'still');
    copyFileSync(join(cwd, 'ours.qcow2'), join(cwd, 'theirs.qcow2'));
    const random = new SeededRandom(11);
    for (const size of [5 * MiB + 512, 2 * MiB + 70_144, 2 * MiB + 512, 40 * MiB, 512, 3 * MiB, 3 * MiB]) {
      qemuImg(cwd, 'resize', '-q', '--shrink', 'theirs.qcow2', String(size));
      const device = await open(join(cwd, 'ours.qcow2'));
      await device.resize(size);
      const ends = { fine: await byUs(device, 'fine'), still: await byUs(device, 'still') };
      const at = random.below(size / 512) * 512;
      await device.write(at, new Uint8Array(512), false);
      await device.close();
      for (const bitmap of ['fine', 'still'] as const) {
        t.deepEqual(ends[bitmap], byQemu(cwd, 'theirs.qcow2', bitmap), `${bitmap} of ${size}`);
      }
      qemuIo(cwd, 'theirs.qcow2', `write ${at} 512`);
      for (const bitmap of ['fine', 'still']) {
        t.deepEqual(byQemu(cwd, 'ours.qcow2', bitmap), byQemu(cwd, 'theirs.qcow2', bitmap), `${bitmap} of ${size}`);
      }
      const { said, status } = checked(cwd, 'ours.qcow2');
      t.is(status, 0, said);
    }
  });
}

testNbd(
  'wherever a resize is cut off, each bitmap is of the size of its image, or known to be worth nothing',
  async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', 'a.qcow2', '3M');
    qemuImg(cwd, 'bitmap', '--add', '-g', '512', 'a.qcow2', 'still');
    qemuIo(cwd, 'a.qcow2', 'write 100k 1k');
    qemuImg(cwd, 'bitmap', '--disable', 'a.qcow2', 'still');
    qemuImg(cwd, 'bitmap', '--add', 'a.qcow2', 'moving');
    const states = new Set<string>();
    const look = async (): Promise<void> => {
      const killed = join(cwd, 'killed.qcow2');
      const { said, status } = checked(cwd, 'killed.qcow2');
      // Clusters that nobody has are all that may be wrong.
      t.true(status === 0 || status === 3, said);
      const { qcow2, sizeBytes: bytes } = await imageInfo(host, killed);
      const [still, moving] = qcow2!.bitmaps;
      t.true(moving!.isInUse);
      states.add(`${bytes / MiB} ${still!.isInUse}`);
      if (!still!.isInUse) t.deepEqual(byQemu(cwd, 'killed.qcow2', 'still'), [[100 * KiB, 101 * KiB]]);
    };
    const cuts: string[] = [];
    const watching = watched(host, () => {
      cuts.push(`killed-${cuts.length}.qcow2`);
      copyFileSync(join(cwd, 'a.qcow2'), join(cwd, cuts.at(-1)!));
    });
    for (const size of [9 * MiB, MiB]) {
      const device = await open(join(cwd, 'a.qcow2'), false, watching);
      cuts.length = 0;
      await device.resize(size);
      const found = [...cuts];
      await device.close();
      for (const name of found) {
        copyFileSync(join(cwd, name), join(cwd, 'killed.qcow2'));
        await look();
      }
    }
    t.deepEqual([...states].toSorted(), ['1 false', '1 true', '3 false', '3 true', '9 false', '9 true']);
  },
);

test('a bitmap whose writer was killed says of itself that it is worth nothing, as those that nobody wrote to do not', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '4M');
  qemuImg(cwd, 'bitmap', '--add', 'a.qcow2', 'one');
  qemuImg(cwd, 'bitmap', '--add', '--disable', 'a.qcow2', 'still');
  const device = await open(path);
  await device.write(0, new Uint8Array(MiB).fill(5), false);
  await device.flush();
  copyFileSync(path, join(cwd, 'killed.qcow2'));
  await device.close();
  const inUse = async (name: string): Promise<boolean[]> =>
    (await imageInfo(host, join(cwd, name))).qcow2!.bitmaps.map(({ isInUse }) => isInUse);
  t.deepEqual(await inUse('killed.qcow2'), [true, false]);
  t.deepEqual(await inUse('a.qcow2'), [false, false]);
  t.is(checked(cwd, 'killed.qcow2').status, 0);
  const again = await open(join(cwd, 'killed.qcow2'));
  t.deepEqual(again.bitmaps!.names, ['still']);
  await failsWith(t, 'unsupported', () => again.resize(8 * MiB));
  await again.close();
  t.deepEqual(await inUse('killed.qcow2'), [true, false]);
  qemuIo(cwd, 'killed.qcow2', 'read -P 5 0 1M');
});

test('what an image says to be cleared by who does not know it is cleared by a writer, and by no reader', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '4M');
  qemuImg(cwd, 'bitmap', '--add', 'a.qcow2', 'one');
  const bytes = readFileSync(path);
  bytes.writeUInt8(0x81, 95);
  writeFileSync(path, bytes);
  await (await open(path, true)).close();
  t.is(readFileSync(path)[95], 0x81);
  await (await open(path)).close();
  t.is(readFileSync(path)[95], 1);
});
