import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';
import { byQemu, isAsQemu } from './as-qemu.ts';
import { makeSources, qemuImg } from './sources.ts';

const outputs = [[], ['--output', 'json']] as const;

test('a map is told as qemu-img tells it, for people and for programs', async (t) => {
  const cwd = directory(t);
  const sources = makeSources(cwd);
  writeFileSync(join(cwd, 'empty.raw'), '');
  for (const source of [...sources, 'empty.raw']) {
    const format = source.endsWith('raw') ? 'raw' : 'qcow2';
    for (const output of outputs) {
      await isAsQemu(t, cwd, ['map', ...output, '-f', format, source]);
      await isAsQemu(t, cwd, ['map', ...output, '-f', format, '-s', '100k', '-l', '5000k', source]);
    }
  }
});

test('images are measured as qemu-img measures them, for people and for programs', async (t) => {
  const cwd = directory(t);
  const sources = makeSources(cwd);
  qemuImg(cwd, 'bitmap', '--add', 'base.qcow2', 'first');
  qemuImg(cwd, 'bitmap', '--add', '-g', '64k', 'base.qcow2', 'another');
  for (const source of sources) {
    const format = source.endsWith('raw') ? 'raw' : 'qcow2';
    for (const output of outputs) {
      await isAsQemu(t, cwd, ['measure', ...output, '-O', 'raw', '-f', format, source]);
      await isAsQemu(t, cwd, ['measure', ...output, '-O', 'qcow2', '-f', format, source]);
    }
    await isAsQemu(t, cwd, ['measure', '-O', 'qcow2', '-o', 'cluster_size=4k,refcount_bits=64', '-f', format, source]);
    await isAsQemu(t, cwd, ['measure', '-O', 'qcow2', '-o', 'extended_l2=on,compat=1.1', '-f', format, source]);
  }
  for (const words of [
    ['-O', 'qcow2', '--size', '10G'],
    ['-O', 'qcow2', '--size', '1000'],
    ['-O', 'qcow2', '-o', 'preallocation=full', '--size', '1T'],
    ['-O', 'qcow2', '-o', 'cluster_size=512,refcount_bits=1', '--size', '7G'],
    ['-O', 'raw', '--size', '1000'],
    ['--output', 'json', '--size', '10G'],
    ['-O', 'qcow2', '-o', 'compat=0.10', 'base.qcow2'],
    ['-O', 'qcow2', '-o', 'backing_file=base.qcow2,backing_fmt=qcow2', 'top.qcow2'],
  ]) {
    await isAsQemu(t, cwd, ['measure', ...words]);
  }
});

test('disks are compared with the words and the status of qemu-img', async (t) => {
  const cwd = directory(t);
  const sources = makeSources(cwd);
  for (const source of sources) {
    qemuImg(cwd, 'convert', '-O', 'raw', source, `${source}.copy`);
    for (const strict of [[], ['-s']]) {
      await isAsQemu(t, cwd, ['compare', ...strict, '-F', 'raw', source, `${source}.copy`]);
    }
    await isAsQemu(t, cwd, ['compare', '-s', source, source]);
    await isAsQemu(t, cwd, ['compare', source, 'base.qcow2']);
    await isAsQemu(t, cwd, ['compare', '-s', 'top.qcow2', source]);
  }
  await isAsQemu(t, cwd, ['compare', '-q', 'base.qcow2', 'top.qcow2']);
  truncateSync(join(cwd, 'top.qcow2.copy'), 12 * 2 ** 20);
  await isAsQemu(t, cwd, ['compare', 'top.qcow2', '-F', 'raw', 'top.qcow2.copy']);
  await isAsQemu(t, cwd, ['compare', '-f', 'raw', 'top.qcow2.copy', 'top.qcow2']);
  const same = Buffer.alloc(3 * 2 ** 20, 1);
  for (const [at, offset] of [0, 511, 2 ** 20 + 5000, same.length - 1].entries()) {
    const other = Buffer.from(same);
    other[offset] = 2;
    writeFileSync(join(cwd, 'one.raw'), same);
    writeFileSync(join(cwd, `other${at}.raw`), other);
    await isAsQemu(t, cwd, ['compare', '-f', 'raw', '-F', 'raw', 'one.raw', `other${at}.raw`]);
  }
});

test('a disk that cannot be opened has the status 2, one whose map is damaged 3, one that cannot be read 4', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  for (const words of [
    ['compare', 'base.qcow2', 'none'],
    ['compare', '-F', 'qcow2', 'base.qcow2', 'disk.raw'],
  ]) {
    const { errors, status } = await run(['image', ...words], {}, cwd);
    t.is(status, 2);
    t.regex(errors, /^ashlar: /);
    t.is(byQemu(cwd, ...words).status, 2);
  }
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'mapped.qcow2', '12M');
  spawnSync('qemu-io', ['-c', 'write 0 1M', 'mapped.qcow2'], { cwd });
  // The L1 table, which the header has the place of, says that the first L2 table lies where no cluster begins.
  const damaged = readFileSync(join(cwd, 'mapped.qcow2'));
  const l1Table = Number(damaged.readBigUInt64BE(40));
  damaged.writeBigUInt64BE(damaged.readBigUInt64BE(l1Table) + 512n, l1Table);
  writeFileSync(join(cwd, 'mapped.qcow2'), damaged);
  const mapped = await run(['image', 'compare', 'base.qcow2', 'mapped.qcow2'], {}, cwd);
  t.is(mapped.status, 3, mapped.errors);
  t.is(byQemu(cwd, 'compare', 'base.qcow2', 'mapped.qcow2').status, 3);
  t.regex(mapped.errors, /^ashlar: 'mapped.qcow2' at byte 0: what is there cannot be told: .+\n$/);
  // The compressed bytes of the first cluster are damaged.
  const place = Number(
    (JSON.parse(qemuImg(cwd, 'info', '--output', 'json', 'packed.qcow2')) as { 'cluster-size': number })[
      'cluster-size'
    ],
  );
  spawnSync('qemu-io', ['-f', 'raw', '-c', `write -P 255 ${5 * place} 1000`, 'packed.qcow2'], { cwd });
  const words = ['compare', 'packed.qcow2', 'top.qcow2'];
  const { errors, status } = await run(['image', ...words], {}, cwd);
  t.is(status, byQemu(cwd, ...words).status, errors);
  t.is(status, 4, errors);
  t.regex(errors, /^ashlar: 'packed.qcow2' at byte 0: it cannot be read: /);
});

test('requests are timed with the words of qemu-img', async (t) => {
  const cwd = directory(t);
  writeFileSync(join(cwd, 'disk.raw'), Buffer.alloc(2 ** 20, 1));
  const words = '-f raw -c 200 -d 4 -s 8k -S 16k -o 4k disk.raw';
  for (const each of [
    words,
    `-w --pattern 3 --flush-interval 20 ${words}`,
    `-w --no-drain --flush-interval 20 ${words}`,
  ]) {
    const { errors, out, status } = await run(['image', 'bench', ...each.split(' ')], {}, cwd);
    t.is(status, 0, errors);
    const time = /\d+\.\d{3} seconds/;
    t.is(out.replace(time, ''), byQemu(cwd, 'bench', ...each.split(' ')).out.replace(time, ''));
  }
  t.is((await run(['image', 'bench', '-q', ...words.split(' ')], {}, cwd)).out, '');
  for (const each of ['--flush-interval 20', '-w -d 8 --flush-interval 4', '-c 0', '-d 0', '-s 2M']) {
    t.is((await run(['image', 'bench', ...each.split(' '), 'disk.raw'], {}, cwd)).status, 2, each);
  }
});
