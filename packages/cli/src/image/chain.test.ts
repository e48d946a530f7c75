import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';
import { makeSources, qemuImg, roomOf } from './sources.ts';

const image = async (t: ExecutionContext, cwd: string, ...words: readonly string[]): Promise<string> => {
  const { errors, out, status } = await run(['image', ...words], {}, cwd);
  t.is(status, 0, `${words.join(' ')}: ${errors}`);
  return out;
};

const isSame = (t: ExecutionContext, cwd: string, one: string, other: string): void =>
  void t.notThrows(() => qemuImg(cwd, 'compare', one, other), `${one} ${other}`);

const isSound = (t: ExecutionContext, cwd: string, name: string): void =>
  void t.is(spawnSync('qemu-img', ['check', name], { cwd }).status, 0, name);

/** An image over another one over a third, all different, and what they show as a raw image each. */
function makeChain(cwd: string, ...options: readonly string[]): void {
  const create = (...words: string[]): string => qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...words);
  const write = (name: string, ...commands: string[]): unknown =>
    spawnSync('qemu-io', [...commands.flatMap((each) => ['-c', each]), name], { cwd });
  create('bottom.qcow2', '6M');
  write('bottom.qcow2', 'write -P 1 0 3M', 'write -P 2 4M 1M');
  create('-b', 'bottom.qcow2', '-F', 'qcow2', '-o', 'cluster_size=4k', 'middle.qcow2', '5M');
  write('middle.qcow2', 'write -P 3 1M 300k', 'write -z 2M 100k');
  create('-b', 'middle.qcow2', '-F', 'qcow2', ...options, 'top.qcow2', '6M');
  write('top.qcow2', 'write -P 4 1100k 100k', 'write -z 512k 256k', 'write -P 5 5000k 70k');
  for (const name of ['bottom', 'middle', 'top']) {
    qemuImg(cwd, 'convert', '-O', 'qcow2', `${name}.qcow2`, `${name}.before`);
  }
}

test('what an image has is written into what it is backed by, and gone from the image', async (t) => {
  for (const options of [[], ['-o', 'cluster_size=512,compat=0.10'], ['-o', 'extended_l2=on']]) {
    const cwd = directory(t);
    makeChain(cwd, ...options);
    const before = roomOf(cwd, 'middle.qcow2');
    // In another directory QEMU does the same.
    const other = directory(t);
    for (const name of ['top', 'middle', 'bottom'])
      copyFileSync(join(cwd, `${name}.qcow2`), join(other, `${name}.qcow2`));
    qemuImg(other, 'commit', 'top.qcow2');
    t.is(await image(t, cwd, 'commit', 'top.qcow2'), 'Image committed.\n');
    isSame(t, cwd, 'middle.qcow2', 'top.before');
    isSame(t, cwd, 'top.qcow2', 'top.before');
    const runs = JSON.parse(qemuImg(cwd, 'map', '--output', 'json', 'top.qcow2')) as {
      depth: number;
      present: boolean;
    }[];
    t.false(runs.some(({ depth, present }) => depth === 0 && present));
    t.true(roomOf(cwd, 'middle.qcow2') > before);
    for (const name of ['top.qcow2', 'middle.qcow2']) {
      t.true(
        roomOf(cwd, name) <= roomOf(other, name) + 128 * 1024,
        `${name} ${options.join(' ')}: ${roomOf(cwd, name)}, ${roomOf(other, name)}`,
      );
    }
    for (const name of ['top.qcow2', 'middle.qcow2', 'bottom.qcow2']) isSound(t, cwd, name);
    isSame(t, cwd, 'bottom.qcow2', 'bottom.before');
  }
});

test('an image with a snapshot is emptied, and the snapshot stays', async (t) => {
  const cwd = directory(t);
  makeChain(cwd);
  qemuImg(cwd, 'resize', '-q', 'middle.qcow2', '6M');
  qemuImg(cwd, 'snapshot', '-c', 'before', 'top.qcow2');
  spawnSync('qemu-io', ['-c', 'write -P 9 3M 200k', 'top.qcow2'], { cwd });
  qemuImg(cwd, 'convert', '-O', 'qcow2', 'top.qcow2', 'changed');
  await image(t, cwd, 'commit', '-q', 'top.qcow2');
  isSame(t, cwd, 'middle.qcow2', 'changed');
  isSame(t, cwd, 'top.qcow2', 'changed');
  isSound(t, cwd, 'top.qcow2');
  qemuImg(cwd, 'snapshot', '-a', 'before', 'top.qcow2');
  qemuImg(cwd, 'convert', '-O', 'raw', 'top.qcow2', 'snapshot');
  // What the snapshot had of its own is there; what came of the backing file is as that is now.
  const bytes = readFileSync(join(cwd, 'snapshot'));
  t.is(bytes[1150 * 1024], 4);
  t.is(bytes[600 * 1024], 0);
});

test('an image further down takes what all above it have, and a raw one grows', async (t) => {
  const cwd = directory(t);
  makeChain(cwd);
  t.is(await image(t, cwd, 'commit', '-q', '-b', 'bottom.qcow2', 'top.qcow2'), '');
  isSame(t, cwd, 'bottom.qcow2', 'top.before');
  t.true(roomOf(cwd, 'top.qcow2') > 100 * 1024, 'it keeps what it has');
  isSound(t, cwd, 'bottom.qcow2');
  makeSources(cwd);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-b', 'disk.raw', '-F', 'raw', 'over.qcow2', '8M');
  spawnSync('qemu-io', ['-c', 'write -P 9 7M 4k', 'over.qcow2'], { cwd });
  qemuImg(cwd, 'convert', '-O', 'raw', 'over.qcow2', 'expected');
  await image(t, cwd, 'commit', '-d', '-p', 'over.qcow2');
  t.true(readFileSync(join(cwd, 'disk.raw')).equals(readFileSync(join(cwd, 'expected'))));
});

test('an image with another backing file shows what it showed', async (t) => {
  for (const options of [[], ['-o', 'cluster_size=512,compat=0.10'], ['-o', 'extended_l2=on']]) {
    const cwd = directory(t);
    makeChain(cwd, ...options);
    makeSources(cwd);
    makeChain(cwd, ...options);
    for (const [backing, format] of [
      ['bottom.qcow2', 'qcow2'],
      ['middle.before', 'qcow2'],
      ['disk.raw', 'raw'],
      ['old.qcow2', 'qcow2'],
      ['', 'qcow2'],
    ] as const) {
      copyFileSync(join(cwd, 'top.qcow2'), join(cwd, 'ours.qcow2'));
      copyFileSync(join(cwd, 'top.qcow2'), join(cwd, 'theirs.qcow2'));
      const words = backing === '' ? ['-b', ''] : ['-b', backing, '-F', format];
      await image(t, cwd, 'rebase', ...words, 'ours.qcow2');
      qemuImg(cwd, 'rebase', ...words, 'theirs.qcow2');
      isSame(t, cwd, 'ours.qcow2', 'top.before');
      isSound(t, cwd, 'ours.qcow2');
      const named = (name: string): unknown =>
        (JSON.parse(qemuImg(cwd, 'info', '--output', 'json', name)) as Record<string, unknown>)['backing-filename'];
      t.is(named('ours.qcow2'), named('theirs.qcow2'));
      t.true(roomOf(cwd, 'ours.qcow2') <= roomOf(cwd, 'theirs.qcow2') + 64 * 1024, `${backing}: room`);
    }
  }
});

test('only the name of the backing file is changed where that is asked for', async (t) => {
  const cwd = directory(t);
  makeChain(cwd);
  const before = readFileSync(join(cwd, 'top.qcow2')).subarray(65_536);
  await image(t, cwd, 'rebase', '-u', '-b', 'nowhere.raw', '-F', 'raw', 'top.qcow2');
  t.regex(qemuImg(cwd, 'info', '-U', 'top.qcow2'), /backing file: nowhere.raw[^]*backing file format: raw/);
  await image(t, cwd, 'rebase', '-u', '-b', 'middle.qcow2', '-F', 'qcow2', 'top.qcow2');
  isSame(t, cwd, 'top.qcow2', 'top.before');
  await image(t, cwd, 'rebase', '-u', '-b', '', 'top.qcow2');
  t.notRegex(qemuImg(cwd, 'info', 'top.qcow2'), /backing/);
  t.true(readFileSync(join(cwd, 'top.qcow2')).subarray(65_536).equals(before));
  isSound(t, cwd, 'top.qcow2');
});

test('blocks are copied to a new image', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  for (const words of ['bs=1M count=2', 'bs=4k skip=3', 'bs=1000 skip=7 count=100', 'count=5', 'bs=1M skip=100']) {
    for (const format of ['raw', 'qcow2']) {
      await image(t, cwd, 'dd', '-f', 'raw', '-O', format, 'if=disk.raw', 'of=ours', ...words.split(' '));
      const expected = join(cwd, 'expected');
      spawnSync('dd', ['if=disk.raw', `of=${expected}`, ...words.split(' ')], { cwd });
      const sizeBytes = Math.ceil(statSync(expected).size / 512) * 512;
      const bytes = Buffer.alloc(sizeBytes);
      readFileSync(expected).copy(bytes);
      qemuImg(cwd, 'convert', '-f', format, '-O', 'raw', 'ours', 'found');
      t.true(readFileSync(join(cwd, 'found')).equals(bytes), `${words} ${format}`);
      if (format === 'qcow2') isSound(t, cwd, 'ours');
    }
  }
  for (const words of ['if=disk.raw', 'of=x', 'if=disk.raw of=x bs=0', 'if=disk.raw of=x other=1', '']) {
    t.is((await run(['image', 'dd', ...words.split(' ').filter((each) => each !== '')], {}, cwd)).status, 2, words);
  }
  t.is((await run(['image', 'dd', 'if=disk.raw', 'of=disk.raw'], {}, cwd)).status, 1);
});

test('what cannot be is told in a sentence, with status 1, and nonsense with status 2', async (t) => {
  const cwd = directory(t);
  makeChain(cwd);
  for (const [words, sentence] of [
    [['commit', 'bottom.qcow2'], /has no backing file/],
    [['commit', '-b', 'other.qcow2', 'top.qcow2'], /is not in the backing chain/],
    [['rebase', '-b', 'bottom.qcow2', 'top.qcow2'], /must be named: raw or qcow2/],
    [['rebase', '-b', 'none', '-F', 'raw', 'top.qcow2'], /none/],
    [['rebase', '-b', 'bottom.qcow2', '-F', 'qcow2', 'none'], /none/],
  ] as const) {
    const { errors, status } = await run(['image', ...words], {}, cwd);
    t.is(status, 1, `${words.join(' ')}: ${errors}`);
    t.regex(errors, sentence);
  }
  isSame(t, cwd, 'top.qcow2', 'top.before');
  for (const words of ['rebase top.qcow2', 'commit', 'commit nbd://host/x', 'rebase -b x -F vdi top.qcow2']) {
    t.is((await run(['image', ...words.split(' ')], {}, cwd)).status, 2, words);
  }
});
