import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';
import { makeSources, qemuImg, roomOf } from './sources.ts';

const converted = async (t: ExecutionContext, cwd: string, ...words: readonly string[]): Promise<string> => {
  const { errors, out, status } = await run(['image', 'convert', ...words], {}, cwd);
  t.is(status, 0, `${words.join(' ')}: ${errors}`);
  return out;
};

function isSound(t: ExecutionContext, cwd: string, name: string): void {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', name], { cwd, encoding: 'utf8' });
  t.is(status, 0, `${name}: ${stdout}${stderr}`);
}

const isSame = (t: ExecutionContext, cwd: string, ...words: readonly string[]): void =>
  void t.notThrows(() => qemuImg(cwd, 'compare', ...words), words.join(' '));

/** A file system may need a few blocks more or less for where the others are. */
const slackBytes = 16 * 1024;

/** Options that both are told. */
const targets: readonly string[] = [
  '-O raw',
  '-O raw -S 64k -m 16 -W',
  '-O raw -S 0',
  '-O raw -C',
  '-O qcow2',
  '-O qcow2 -C',
  '-O qcow2 -C -o cluster_size=2M',
  '-O qcow2 -W -m 1',
  '-O qcow2 -o cluster_size=512,compat=0.10',
  '-O qcow2 -o cluster_size=2M,refcount_bits=64',
  '-O qcow2 -o cluster_size=4k,refcount_bits=1',
  '-O qcow2 -o extended_l2=on',
  '-O qcow2 -o extended_l2=on,cluster_size=16k',
  '-O qcow2 -o data_file=other.raw,data_file_raw=on',
  '-O qcow2 -o preallocation=metadata',
  '-O qcow2 -c',
  '-O qcow2 -c -o compression_type=zstd',
  '-O qcow2 -c -o cluster_size=512',
  '-O qcow2 -c -o cluster_size=2M,compression_type=zstd',
  '-O qcow2 -c -o cluster_size=4k,refcount_bits=1',
  '-O qcow2 -c -o cluster_size=16k,extended_l2=on,refcount_bits=2',
];

const long = process.env['ASHLAR_LONG'] === '1';

const sources = mkdtempSync(join(tmpdir(), 'ashlar-convert-'));
const names = makeSources(sources);
test.after.always(() => rmSync(sources, { recursive: true }));

for (const [index, target] of targets.entries()) {
  test(`'convert ${target}' makes of every kind of disk what qemu-img finds the same, in no more room`, async (t) => {
    const cwd = directory(t);
    // In the short form each target has every third kind, and each kind every third target.
    for (const name of names.filter((_, at) => long || (at + index) % 3 === 0)) {
      const source = join(sources, name);
      for (const each of ['ours', 'theirs', 'other.raw']) rmSync(join(cwd, each), { force: true });
      qemuImg(cwd, 'convert', ...target.split(' '), source, 'theirs');
      const needed = roomOf(cwd, 'theirs');
      // The data file of both has one name.
      rmSync(join(cwd, 'other.raw'), { force: true });
      t.is(await converted(t, cwd, ...target.split(' '), source, 'ours'), '');
      const formats = ['-F', target.startsWith('-O raw') ? 'raw' : 'qcow2'];
      isSame(t, cwd, '-f', source.endsWith('raw') ? 'raw' : 'qcow2', ...formats, source, 'ours');
      if (formats[1] === 'qcow2') isSound(t, cwd, 'ours');
      t.true(roomOf(cwd, 'ours') <= needed + slackBytes, `${source}: ${roomOf(cwd, 'ours')}, qemu-img ${needed}`);
    }
  });
}

test('a copy over a backing file has only what the source has itself', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  for (const more of [
    '',
    '-c ',
    '-o cluster_size=2M ',
    '-c -o cluster_size=1M ',
    '-o compat=0.10 ',
    '-c -o compat=0.10 ',
  ]) {
    for (const source of ['top.qcow2', 'base.qcow2']) {
      const words = `-O qcow2 ${more}-B base.qcow2 -F qcow2 ${source} copy.qcow2`.split(' ');
      await converted(t, cwd, ...words);
      isSame(t, cwd, source, 'copy.qcow2');
      isSound(t, cwd, 'copy.qcow2');
      t.regex(qemuImg(cwd, 'info', 'copy.qcow2'), /backing file: base.qcow2/);
      const ours = roomOf(cwd, 'copy.qcow2');
      qemuImg(cwd, 'convert', ...words);
      t.true(ours <= roomOf(cwd, 'copy.qcow2') + slackBytes, `${more}${source}: ${ours}`);
    }
  }
});

test('what the system cannot copy itself is read and written', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const elsewhere = mkdtempSync('/dev/shm/ashlar-convert-');
  t.teardown(() => rmSync(elsewhere, { recursive: true }));
  for (const source of ['top.qcow2', 'packed.qcow2', 'disk.raw']) {
    for (const format of ['raw', 'qcow2']) {
      const copy = join(elsewhere, `${source}.${format}`);
      t.is(await converted(t, cwd, '-C', '-O', format, source, copy), '');
      isSame(t, cwd, '-f', source.endsWith('raw') ? 'raw' : 'qcow2', '-F', format, source, copy);
    }
  }
});

testAsRoot(
  test,
  'mkfs.xfs',
  'losetup',
)('-C shares the room of a disk where the file system can', async (t) => {
  const cwd = directory(t);
  const mounted = join(cwd, 'mounted');
  mkdirSync(mounted);
  const disk = join(cwd, 'xfs');
  writeFileSync(disk, '');
  truncateSync(disk, 320 * 2 ** 20);
  execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', disk]);
  execFileSync('mount', ['-o', 'loop', disk, mounted]);
  t.teardown(() => execFileSync('umount', ['-l', mounted]));
  writeFileSync(join(mounted, 'a.raw'), randomBytes(64 * 2 ** 20));
  execFileSync('sync', ['-f', mounted]);
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(mounted);
    return bavail * bsize;
  };
  const before = freeBytes();
  for (const format of ['raw', 'qcow2']) {
    await converted(t, mounted, '-C', '-O', format, 'a.raw', `copy.${format}`);
    execFileSync('sync', ['-f', mounted]);
    isSame(t, mounted, '-f', 'raw', '-F', format, 'a.raw', `copy.${format}`);
  }
  t.true(before - freeBytes() < 2 ** 21, `${before - freeBytes()}`);
});

test('several disks are one behind the other in the copy', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const sources = ['disk.raw', 'top.qcow2', 'old.qcow2'];
  qemuImg(cwd, 'convert', '-O', 'raw', ...sources, 'theirs');
  for (const words of ['-O raw', '-O qcow2', '-O qcow2 -c', '-O qcow2 -c -o cluster_size=2M']) {
    await converted(t, cwd, ...words.split(' '), ...sources, 'ours');
    isSame(t, cwd, '-f', 'raw', 'theirs', 'ours');
  }
});

test('a snapshot in an image is converted by its name or id', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '2M');
  spawnSync('qemu-io', ['-c', 'write -P 1 0 1M', 'a.qcow2'], { cwd });
  qemuImg(cwd, 'snapshot', '-c', 'before', 'a.qcow2');
  spawnSync('qemu-io', ['-c', 'write -P 2 512k 1M', 'a.qcow2'], { cwd });
  for (const snapshot of ['before', '1', 'snapshot.name=before', 'snapshot.id=1']) {
    qemuImg(cwd, 'convert', '-l', snapshot, '-O', 'raw', 'a.qcow2', 'theirs');
    await converted(t, cwd, '-l', snapshot, '-O', 'raw', 'a.qcow2', 'ours');
    t.true(readFileSync(join(cwd, 'ours')).equals(readFileSync(join(cwd, 'theirs'))));
  }
});

test('a target that is there is written over, with zeros where the source has none', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const sizeBytes = 10 * 2 ** 20;
  for (const format of ['raw', 'qcow2']) {
    writeFileSync(join(cwd, 'ones'), Buffer.alloc(sizeBytes, 1));
    qemuImg(cwd, 'convert', '-f', 'raw', '-O', format, 'ones', 'there');
    await converted(t, cwd, '-n', '-O', format, 'top.qcow2', 'there');
    qemuImg(cwd, 'convert', '-f', 'raw', '-O', format, 'ones', 'theirs');
    qemuImg(cwd, 'convert', '-n', '-O', format, 'top.qcow2', 'theirs');
    isSame(t, cwd, '-f', format, '-F', format, 'theirs', 'there');
    if (format === 'qcow2') isSound(t, cwd, 'there');
    qemuImg(cwd, 'create', '-q', '-f', format, 'there', String(sizeBytes));
    await converted(t, cwd, '-n', '--target-is-zero', '-O', format, 'top.qcow2', 'there');
    qemuImg(cwd, 'create', '-q', '-f', format, 'theirs', String(sizeBytes));
    qemuImg(cwd, 'convert', '-n', '-O', format, 'top.qcow2', 'theirs');
    isSame(t, cwd, '-f', format, '-F', format, 'theirs', 'there');
  }
});

test('a target that is there is compressed where it is written, in no more room than qemu-img takes', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  for (const layout of ['cluster_size=64k', 'compression_type=zstd,cluster_size=8k', 'compat=0.10']) {
    for (const more of [[], ['--target-is-zero']]) {
      const words = ['-c', '-n', ...more, '-O', 'qcow2', 'top.qcow2'];
      for (const name of ['there', 'theirs'])
        qemuImg(cwd, 'create', '-q', '-f', 'qcow2', '-o', layout, name, '9438720');
      await converted(t, cwd, ...words, 'there');
      qemuImg(cwd, 'convert', ...words, 'theirs');
      isSame(t, cwd, 'theirs', 'there');
      isSound(t, cwd, 'there');
      t.true(roomOf(cwd, 'there') <= roomOf(cwd, 'theirs') + slackBytes, `${layout}: ${roomOf(cwd, 'there')}`);
    }
    // qemu-img fails on what is there already.
    qemuImg(cwd, 'snapshot', '-c', 'before', 'there');
    await converted(t, cwd, '-c', '-n', '-O', 'qcow2', 'base.qcow2', 'there');
    isSound(t, cwd, 'there');
    qemuImg(cwd, 'convert', '-O', 'raw', 'base.qcow2', 'base.raw');
    const found = join(cwd, 'found.raw');
    qemuImg(cwd, 'convert', '-O', 'raw', 'there', 'found.raw');
    const expected = readFileSync(join(cwd, 'base.raw'));
    t.true(readFileSync(found).subarray(0, expected.length).equals(expected));
    qemuImg(cwd, 'convert', '-l', 'before', '-O', 'raw', 'there', 'found.raw');
    isSame(t, cwd, '-f', 'raw', '-F', 'qcow2', 'found.raw', 'theirs');
  }
});

test('progress is told as qemu-img tells it, and nothing where it is to be quiet', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const out = await converted(t, cwd, '-p', '-O', 'raw', 'top.qcow2', 'ours');
  t.regex(out, /^ {4}\(0\.00\/100%\)\r(?: {4}\(\d+\.\d\d\/100%\)\r)* {4}\(100\.00\/100%\)\r\n$/);
  t.is(await converted(t, cwd, '-p', '-q', '-O', 'raw', 'top.qcow2', 'ours'), '');
});

/** What a bitmap says was written, as a server of QEMU's says it. */
const changesBy = (cwd: string, name: string, bitmap: string): string => {
  const server = ['qemu-nbd', '-r', '-f', 'qcow2', '-B', bitmap, name];
  const words = ['--json', `--map=qemu:dirty-bitmap:${bitmap}`, '--', '[', ...server, ']'];
  return execFileSync('nbdinfo', words, { cwd, encoding: 'utf8' });
};

const bitmapsOf = (cwd: string, name: string): unknown => {
  const info = JSON.parse(qemuImg(cwd, 'info', '--output', 'json', name)) as {
    'format-specific': { data: { bitmaps?: { name: string }[] } };
  };
  return info['format-specific'].data.bitmaps?.toSorted((one, other) => one.name.localeCompare(other.name));
};

test('bitmaps are copied as qemu-img copies them, and those that are worth nothing refused or left out', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '7M');
  for (const words of ['-g 64k coarse', '-g 512 fine', '--disable still', 'ünïcode']) {
    const [name, ...options] = words.split(' ').toReversed();
    qemuImg(cwd, 'bitmap', '--add', ...options.toReversed(), 'a.qcow2', name!);
    spawnSync('qemu-io', ['-c', 'write 1M 100k', '-c', `write ${words.length * 100}k 5k`, 'a.qcow2'], { cwd });
  }
  for (const words of ['-O qcow2', '-O qcow2 -c', '-O qcow2 -o cluster_size=512']) {
    t.is(await converted(t, cwd, '--bitmaps', ...words.split(' '), 'a.qcow2', 'ours'), '');
    qemuImg(cwd, 'convert', '--bitmaps', ...words.split(' '), 'a.qcow2', 'theirs');
    isSound(t, cwd, 'ours');
    isSame(t, cwd, 'a.qcow2', 'ours');
    t.deepEqual(bitmapsOf(cwd, 'ours'), bitmapsOf(cwd, 'theirs'), words);
    for (const name of ['coarse', 'fine', 'still', 'ünïcode']) {
      t.is(changesBy(cwd, 'ours', name), changesBy(cwd, 'theirs', name), `${words} ${name}`);
    }
  }
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'there', '7M');
  qemuImg(cwd, 'bitmap', '--add', 'there', 'own');
  await converted(t, cwd, '--bitmaps', '-n', '-O', 'qcow2', 'a.qcow2', 'there');
  t.is((bitmapsOf(cwd, 'there') as unknown[]).length, 5);
  isSound(t, cwd, 'there');
  const { errors, status } = await run(
    ['image', 'convert', '--bitmaps', '-n', '-O', 'qcow2', 'a.qcow2', 'there'],
    {},
    cwd,
  );
  t.is(status, 1);
  t.regex(errors, /has a bitmap 'coarse' already/);
  t.is((bitmapsOf(cwd, 'there') as unknown[]).length, 5);
  spawnSync('qemu-io', ['-c', 'write 0 1M', '-c', 'flush', '-c', 'abort', 'a.qcow2'], { cwd });
  const broken = await run(['image', 'convert', '--bitmaps', '-O', 'qcow2', 'a.qcow2', 'ours'], {}, cwd);
  t.is(broken.status, 1);
  t.regex(broken.errors, /--skip-broken-bitmaps leaves it out/);
  const skipping = ['--bitmaps', '--skip-broken-bitmaps', '-O', 'qcow2', 'a.qcow2'];
  await converted(t, cwd, ...skipping, 'ours');
  qemuImg(cwd, 'convert', ...skipping, 'theirs');
  t.deepEqual(bitmapsOf(cwd, 'ours'), bitmapsOf(cwd, 'theirs'));
});

test('no faster than it is told', async (t) => {
  const cwd = directory(t);
  writeFileSync(join(cwd, 'disk.raw'), Buffer.alloc(2 ** 20, 1));
  await converted(t, cwd, '-r', '4M', '-O', 'raw', 'disk.raw', 'ours');
  t.true(readFileSync(join(cwd, 'ours')).equals(readFileSync(join(cwd, 'disk.raw'))));
});

test('what cannot be converted is told in a sentence, with status 1, and nonsense with status 2', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const before = statSync(join(cwd, 'disk.raw')).size;
  for (const [words, sentence] of [
    [['none', 'out'], /none/],
    [['-O', 'raw', '-c', 'disk.raw', 'out'], /only qcow2 images/],
    [['disk.raw', 'disk.raw'], /is what would be copied/],
    [['over.qcow2', './disk.raw'], /is what would be copied, or backs it/],
    [['-f', 'qcow2', 'disk.raw', 'out'], /is not a qcow2 image/],
    [['-l', 'none', 'base.qcow2', 'out'], /has no snapshot 'none'/],
    [['-O', 'raw', '-B', 'base.qcow2', '-F', 'qcow2', 'top.qcow2', 'out'], /backed by nothing/],
    [['-O', 'qcow2', '-B', 'base.qcow2', 'top.qcow2', 'out'], /must be named: raw or qcow2/],
    [['-O', 'qcow2', '-o', 'nonsense=1', 'top.qcow2', 'out'], /has no option 'nonsense'/],
    [['-n', 'top.qcow2', 'old.qcow2'], /make it larger first/],
    [['-c', '-n', 'top.qcow2', 'disk.raw'], /is no image that could be compressed/],
    [['-c', '-n', '-O', 'qcow2', 'top.qcow2', 'old.qcow2'], /make it larger first/],
    [['-c', '-n', '-O', 'qcow2', 'top.qcow2', 'data.qcow2'], /lies in another file, where it is not compressed/],
    [['nbd+unix:///?socket=none', 'out'], /no NBD server answers/],
    [['gluster://host/x', 'out'], /of no kind that is known/],
    [['--bitmaps', 'top.qcow2', 'out'], /'out' has no bitmaps/],
    [['--bitmaps', '-O', 'qcow2', '-f', 'raw', 'disk.raw', 'out'], /'disk.raw' has no bitmaps/],
    [['--bitmaps', '-O', 'qcow2', '-o', 'compat=0.10', 'top.qcow2', 'old'], /'old' .* 0.10, which has no bitmaps/],
  ] as const) {
    const { errors, status } = await run(['image', 'convert', ...words], {}, cwd);
    t.is(status, 1, `${words.join(' ')}: ${errors}`);
    t.regex(errors, sentence);
  }
  t.is(statSync(join(cwd, 'disk.raw')).size, before);
  t.false(existsSync(join(cwd, 'old')));
  for (const words of [
    'disk.raw',
    '-m 17 a b',
    '-m 0 a b',
    '-S nonsense a b',
    '-O vdi a b',
    '-W -c a b',
    '-C -c a b',
    '-C -S 4k a b',
    '-C --salvage a b',
    '--target-is-zero a b',
    '--target-image-opts a driver=raw,file.filename=b',
    '-n --target-image-opts -O raw a driver=raw,file.filename=b',
    '-n --target-image-opts a file.filename=b',
    '--image-opts -f raw file.filename=a b',
    '--bitmaps -O qcow2 a b c',
    '--bitmaps -O qcow2 -l x a b',
    '--skip-broken-bitmaps a b',
  ]) {
    t.is((await run(['image', 'convert', ...words.split(' ')], {}, cwd)).status, 2, words);
  }
});
