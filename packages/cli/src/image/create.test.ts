import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';

const qemuImg = (cwd: string, ...words: readonly string[]): string =>
  execFileSync('qemu-img', words, { cwd, encoding: 'utf8' });

const infoOf = (path: string): object => {
  const found = JSON.parse(qemuImg('/', 'info', '--output', 'json', path)) as Record<string, unknown>;
  return { ...found, filename: '', 'actual-size': 0 };
};

type MapRun = { readonly start: number; readonly length: number; readonly data: boolean; readonly zero: boolean };

/** What is data and what reads as zeros, wherever it lies. */
function mapOf(path: string): MapRun[] {
  const found: MapRun[] = [];
  for (const { start, length, data, zero } of JSON.parse(qemuImg('/', 'map', '--output', 'json', path)) as MapRun[]) {
    const last = found.at(-1);
    if (last?.data === data && last.zero === zero) found[found.length - 1] = { ...last, length: last.length + length };
    else found.push({ start, length, data, zero });
  }
  return found;
}

/** What both are told, behind `create`. */
const given: readonly string[] = [
  '-f qcow2 FILE 10M',
  '-f qcow2 -b DIR/base.qcow2 -F qcow2 FILE',
  '-f qcow2 -b DIR/base.qcow2 -F qcow2 -o lazy_refcounts=on,compression_type=zstd -o refcount_bits=8 FILE 10M',
  '-f qcow2 -u -b nowhere.raw -F raw FILE 1G',
  '-f qcow2 -o data_file=DIR/d.raw,data_file_raw=on FILE 10M',
  '-f qcow2 -o compat=0.10,preallocation=falloc,cluster_size=4k FILE 10M',
  '-f qcow2 -o preallocation=metadata,extended_l2=on FILE 10M',
  '-f qcow2 -o preallocation=full FILE 3M',
  '-f qcow2 FILE 1000',
  '-f raw FILE 3M',
  '-f raw -o preallocation=falloc FILE 3M',
  '-f raw -o preallocation=full FILE 3M',
  'FILE 100',
];

for (const words of given) {
  test(`'create ${words}' says and makes what qemu-img does`, async (t) => {
    const cwd = directory(t);
    qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'base.qcow2', '7M');
    const path = join(cwd, 'image');
    const told = words.split(' ').map((word) => word.replace('FILE', path).replace('DIR', cwd));
    const said = qemuImg(cwd, 'create', ...told);
    const info = infoOf(path);
    const map = words.includes('-u') ? [] : mapOf(path);
    const { blocks } = statSync(path);
    rmSync(path);
    rmSync(join(cwd, 'd.raw'), { force: true });
    const { errors, out, status } = await run(['image', 'create', ...told]);
    t.is(status, 0, errors);
    t.is(out, said);
    t.deepEqual(infoOf(path), info);
    // The same room to a few clusters: of what is preallocated all of it.
    t.true(
      Math.abs(statSync(path).blocks - blocks) * 512 <= 512 * 1024,
      `${statSync(path).blocks} blocks, ${blocks} by qemu-img`,
    );
    if (words.includes('qcow2') && !words.includes('-u')) {
      const { status: found, stdout } = spawnSync('qemu-img', ['check', path], { encoding: 'utf8' });
      t.is(found, 0, stdout);
      t.deepEqual(mapOf(path), map);
    }
  });
}

test('what cannot be made is told in a sentence, with status 1, and nothing is made', async (t) => {
  const cwd = directory(t);
  const path = join(cwd, 'image');
  for (const [words, sentence] of [
    [['-f', 'qcow2', path], /needs a size/],
    [['-f', 'qcow2', '-o', 'nonsense=1', path, '1M'], /has no option 'nonsense'/],
    [['-f', 'raw', '-o', 'cluster_size=4k', path, '1M'], /has no option 'cluster_size'/],
    [['-f', 'qcow2', '-o', 'cluster_size=100', path, '1M'], /a power of two from 512 bytes to 2 MiB/],
    [['-f', 'qcow2', '-o', 'lazy_refcounts=yes', path, '1M'], /is on or off/],
    [['-f', 'qcow2', '-b', join(cwd, 'none'), '-F', 'raw', path, '1M'], /none/],
    [['-f', 'qcow2', '-b', join(cwd, 'none'), path, '1M'], /must be named: raw or qcow2/],
    [['-f', 'raw', '-o', 'preallocation=metadata', path, '1M'], /no metadata/],
  ] as const) {
    const { errors, status } = await run(['image', 'create', ...words]);
    t.is(status, 1, errors);
    t.regex(errors, sentence);
    t.throws(() => statSync(path), { code: 'ENOENT' });
  }
  t.is((await run(['image', 'create', '-f', 'vdi', path, '1M'])).status, 2);
  t.is((await run(['image', 'create', path, 'large'])).status, 2);
});
