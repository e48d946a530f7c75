import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, SeededRandom, testWithTools } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { changeSnapshots } from '../../image-snapshots.ts';
import { imageInfo } from '../../info.ts';
import { checked, contentsOf, directory, layouts, qemuImg, qemuIo } from '../by-qemu.ts';
import { openImage } from '../open.ts';
import { watched } from '../watched-host.ts';

const MiB = 1024 * 1024;
const sizeBytes = 3 * MiB;
const changes = process.env['ASHLAR_LONG'] === '1' ? 60 : 8;
const host = createRealHost();

const open = (path: string, snapshot?: string): Promise<BlockDevice> =>
  openImage(host, path, { followsFiles: true, readOnly: snapshot !== undefined, snapshot });

async function hasBytes(t: ExecutionContext, path: string, snapshot: string, model: Buffer): Promise<void> {
  const device = await open(path, snapshot);
  const found = Buffer.alloc(device.sizeBytes);
  await device.read(0, found);
  await device.close();
  if (!found.equals(model)) t.fail(`the snapshot ${snapshot} is as it was`);
}

const ofSnapshots = layouts.filter((each) => !each.includes('data_file') && !each.includes('refcount_bits=1'));

for (const layout of ofSnapshots) {
  test.serial(
    `snapshots of an image made with '${layout}', by us and by QEMU in turn, show what was there`,
    async (t) => {
      const cwd = directory(t);
      const path = join(cwd, 'a.qcow2');
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '2M');
      qemuIo(cwd, 'base.qcow2', 'write -P 9 0 2M');
      const behind = layout.includes('preallocation') ? [] : ['-b', 'base.qcow2', '-F', 'qcow2'];
      const options = layout === '' ? [] : ['-o', layout];
      qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...behind, ...options, 'a.qcow2', String(sizeBytes));
      const random = new SeededRandom(5);
      let model: Buffer = contentsOf(cwd, 'a.qcow2');
      const kept = new Map<string, Buffer>();
      const act = async (action: 'create' | 'apply' | 'delete', name: string): Promise<void> => {
        if (random.oneIn(3)) qemuImg(cwd, 'snapshot', `-${action[0]}`, name, 'a.qcow2');
        else await changeSnapshots(host, path, action, name);
      };
      for (let count = 0; count < changes; count += 1) {
        const device = await open(path);
        for (let write = random.below(4); write > 0; write -= 1) {
          const length = random.pick([512, 5000, 200_000]);
          const offset = random.below(sizeBytes - length);
          const bytes = new Uint8Array(length).fill(random.below(256));
          model.set(bytes, offset);
          await device.write(offset, bytes, false);
        }
        await device.close();
        const names = [...kept.keys()];
        const kind = names.length === 0 ? 0 : random.below(3);
        if (kind === 0) {
          await act('create', `s${count}`);
          kept.set(`s${count}`, Buffer.from(model));
        } else if (kind === 1) {
          const name = random.pick(names);
          await act('apply', name);
          model = Buffer.from(kept.get(name)!);
        } else {
          const name = random.pick(names);
          await act('delete', name);
          kept.delete(name);
        }
        const { status, said } = checked(cwd, 'a.qcow2');
        if (status !== 0) t.fail(`${count}: ${said}`);
        if (!contentsOf(cwd, 'a.qcow2').equals(model)) t.fail(`${count}: QEMU reads what is there`);
      }
      for (const [name, bytes] of kept) await hasBytes(t, path, name, bytes);
      const { qcow2 } = await imageInfo(host, path);
      t.deepEqual(qcow2!.snapshots.map(({ name }) => name).toSorted(), [...kept.keys()].toSorted());
    },
  );
}

test.serial(
  'wherever a change of snapshots is cut off, it is there whole or not at all, and nothing is lost by it',
  async (t) => {
    const cwd = directory(t);
    const path = join(cwd, 'a.qcow2');
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', 'a.qcow2', '6M');
    qemuIo(cwd, 'a.qcow2', 'write -P 1 0 3M', 'write -P 2 5M 1M');
    let looks = 0;
    const states = new Set<string>();
    const look = (): void => {
      looks += 1;
      copyFileSync(path, join(cwd, 'killed.qcow2'));
      const { status, said } = checked(cwd, 'killed.qcow2');
      if (status !== 0) t.fail(said);
      const content = contentsOf(cwd, 'killed.qcow2');
      states.add(
        `${qemuImg(cwd, 'snapshot', '-l', 'killed.qcow2').split('\n').length} ${content[0]} ${content[5 * MiB]}`,
      );
    };
    const change = async (action: 'create' | 'apply' | 'delete', name: string): Promise<string[]> => {
      states.clear();
      await changeSnapshots(watched(host, look), path, action, name);
      return [...states].toSorted();
    };
    t.deepEqual(await change('create', 'one'), ['1 1 2', '4 1 2']);
    qemuIo(cwd, 'a.qcow2', 'write -P 3 0 1M');
    t.deepEqual(await change('create', 'two'), ['4 3 2', '5 3 2']);
    qemuIo(cwd, 'a.qcow2', 'write -P 4 5M 1M');
    t.deepEqual(await change('apply', 'one'), ['5 1 2', '5 3 4']);
    t.deepEqual(await change('delete', 'one'), ['4 1 2', '5 1 2']);
    t.deepEqual(await change('delete', 'two'), ['1 1 2', '4 1 2']);
    t.true(looks > 30, `${looks} cuts`);
  },
);

test.serial(
  'the room of what only a snapshot had comes back with it, and that of what is trimmed with a flush',
  async (t) => {
    const cwd = directory(t);
    const path = join(cwd, 'a.qcow2');
    const roomBytes = (): number => host.stat(path)!.allocatedBytes;
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '16M');
    qemuIo(cwd, 'a.qcow2', 'write -P 3 0 16M');
    await changeSnapshots(host, path, 'create', 'one');
    qemuIo(cwd, 'a.qcow2', 'write -P 4 0 16M');
    t.true(roomBytes() > 32 * MiB);
    await changeSnapshots(host, path, 'delete', 'one');
    t.true(roomBytes() < 17 * MiB, `${roomBytes()}`);
    const device = await open(path);
    await device.trim(0, 8 * MiB, false);
    await device.flush();
    t.true(roomBytes() < 9 * MiB, `${roomBytes()}`);
    await device.close();
    t.is(checked(cwd, 'a.qcow2').status, 0);
    qemuIo(cwd, 'a.qcow2', 'read -P 0 0 8M', 'read -P 4 8M 8M');
  },
);

test.serial('going back to a snapshot of another size gives the image that size', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', 'a.qcow2', '1M');
  qemuIo(cwd, 'a.qcow2', 'write -P 3 0 1M');
  await changeSnapshots(host, path, 'create', 'small');
  const device = await open(path);
  await device.resize(4 * MiB);
  await device.write(3 * MiB, new Uint8Array(MiB).fill(4), false);
  await device.close();
  await changeSnapshots(host, path, 'create', 'large');
  for (const [name, size, last] of [
    ['small', MiB, 3],
    ['large', 4 * MiB, 4],
  ] as const) {
    await changeSnapshots(host, path, 'apply', name);
    const content = contentsOf(cwd, 'a.qcow2');
    t.deepEqual([content.length, content.at(-1)], [size, last]);
    t.is(checked(cwd, 'a.qcow2').status, 0);
  }
});

testWithTools(test, 'qemu-system-x86_64')(
  'a machine that QEMU kept with its memory is gone back to, and stays',
  async (t) => {
    const cwd = directory(t);
    const path = join(cwd, 'a.qcow2');
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '1M');
    const machine = ['-machine', 'none', '-display', 'none', '-monitor', 'stdio', '-drive', 'if=none,file=a.qcow2'];
    const { status } = spawnSync('qemu-system-x86_64', machine, { cwd, input: 'savevm one\nquit\n' });
    t.is(status, 0);
    const before = (await imageInfo(host, path)).qcow2!.snapshots[0]!;
    t.true(before.vmStateBytes > 0);
    await changeSnapshots(host, path, 'create', 'two');
    await changeSnapshots(host, path, 'apply', 'one');
    await changeSnapshots(host, path, 'delete', 'two');
    t.like((await imageInfo(host, path)).qcow2!.snapshots[0], {
      id: '1',
      name: 'one',
      vmStateBytes: before.vmStateBytes,
    });
    t.is(checked(cwd, 'a.qcow2').status, 0);
    const loaded = spawnSync('qemu-system-x86_64', [...machine, '-loadvm', 'one'], { cwd, input: 'quit\n' });
    t.is(loaded.status, 0, loaded.stderr.toString());
  },
);

test.serial(
  'what has no snapshots, or not this one, or counts too little, is told in a sentence, and is as it was',
  async (t) => {
    const cwd = directory(t);
    const make = (name: string, ...options: string[]): string => {
      qemuImg(cwd, 'create', '-q', ...options, name, '1M');
      return join(cwd, name);
    };
    const raw = make('a.raw', '-f', 'raw');
    const data = make('d.qcow2', '-f', 'qcow2', '-o', 'data_file=d.raw');
    const bits = make('b.qcow2', '-f', 'qcow2', '-o', 'refcount_bits=1');
    qemuIo(cwd, 'b.qcow2', 'write 0 64k');
    const plain = make('p.qcow2', '-f', 'qcow2');
    const before = [data, bits, plain].map((path) => readFileSync(path));
    await failsWith(t, 'unsupported', () => changeSnapshots(host, raw, 'create', 'one'));
    await failsWith(t, 'unsupported', () => changeSnapshots(host, data, 'create', 'one'));
    await failsWith(t, 'invalid', () => changeSnapshots(host, bits, 'create', 'one'));
    await failsWith(t, 'not-found', () => changeSnapshots(host, plain, 'apply', 'one'));
    await failsWith(t, 'not-found', () => changeSnapshots(host, plain, 'delete', 'one'));
    const after = [data, bits, plain].map((path) => readFileSync(path));
    t.true(after.every((bytes, index) => bytes.equals(before[index]!)));
  },
);
