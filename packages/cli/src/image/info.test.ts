import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';

const qemuImg = (cwd: string, ...words: readonly string[]): string =>
  execFileSync('qemu-img', words, { cwd, encoding: 'utf8' });

/** Images of many kinds, made by qemu-img. */
function makeImages(cwd: string): string[] {
  const create = (...words: string[]): string => qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...words);
  create('base.qcow2', '7M');
  create('-o', 'data_file=d.raw,data_file_raw=on', 'data.qcow2', '10M');
  create('-o', 'compat=0.10', 'old.qcow2', '1M');
  create('-o', 'extended_l2=on,cluster_size=128k,refcount_bits=1', 'extended.qcow2', '1234567K');
  create('-b', 'base.qcow2', '-F', 'qcow2', '-o', 'lazy_refcounts=on,compression_type=zstd', 'a.qcow2', '10M');
  qemuImg(cwd, 'bitmap', '--add', 'a.qcow2', 'first');
  qemuImg(cwd, 'bitmap', '--add', '--disable', '-g', '128k', 'a.qcow2', 'second');
  for (const name of ['a name', 'two']) qemuImg(cwd, 'snapshot', '-c', name, 'a.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'raw', 'plain.raw', '3M');
  return ['base.qcow2', 'data.qcow2', 'old.qcow2', 'extended.qcow2', 'a.qcow2', 'plain.raw'];
}

test('an image is shown as qemu-img shows it, for people and for programs', async (t) => {
  const cwd = directory(t);
  for (const name of makeImages(cwd)) {
    const path = join(cwd, name);
    t.is((await run(['image', 'info', path])).out, qemuImg(cwd, 'info', path), name);
    const { out } = await run(['image', 'info', '--output', 'json', path]);
    t.deepEqual(JSON.parse(out), JSON.parse(qemuImg(cwd, 'info', '--output', 'json', path)), name);
  }
  const chain = ['info', '--backing-chain', join(cwd, 'a.qcow2')];
  t.is((await run(['image', ...chain])).out, qemuImg(cwd, ...chain));
  const { out } = await run(['image', ...chain, '--output', 'json']);
  t.deepEqual(JSON.parse(out), JSON.parse(qemuImg(cwd, ...chain, '--output', 'json')));
});

test('a raw image may be one that begins as qcow2 does', async (t) => {
  const cwd = directory(t);
  makeImages(cwd);
  const path = join(cwd, 'base.qcow2');
  // Of an odd size: a disk has whole sectors.
  truncateSync(path, 150_001);
  t.is((await run(['image', 'info', '-f', 'raw', path])).out, qemuImg(cwd, 'info', '-f', 'raw', path));
});

test('what cannot be read is told in a sentence, with status 1, and what cannot be meant with 2', async (t) => {
  const cwd = directory(t);
  makeImages(cwd);
  const missing = await run(['image', 'info', join(cwd, 'none')]);
  t.is(missing.status, 1);
  t.regex(missing.errors, /^ashlar: .*none/);
  const other = await run(['image', 'info', '-f', 'qcow2', join(cwd, 'plain.raw')]);
  t.is(other.status, 1);
  t.regex(other.errors, /is not a qcow2 image\n$/);
  t.is((await run(['image', 'info', '-f', 'vmdk', join(cwd, 'plain.raw')])).status, 2);
});
