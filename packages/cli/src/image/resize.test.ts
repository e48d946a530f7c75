import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';

const qemu = (cwd: string, ...words: readonly string[]): { status: number | null; out: string } => {
  const { status, stdout } = spawnSync('qemu-img', words, { cwd, encoding: 'utf8' });
  return { status, out: stdout };
};

const changes: readonly (readonly string[])[] = [
  ['20M'],
  ['+3M'],
  ['-q', '+512'],
  ['10M'],
  ['--shrink', '-3M'],
  ['--shrink', '1M'],
  ['5M'],
  ['-1M'],
  ['--shrink', '-10M'],
  ['--shrink', '--preallocation=full', '5M'],
  ['--preallocation=metadata', '20M'],
  ['--preallocation=falloc', '+4M'],
  ['--preallocation=full', '+4M'],
];

for (const format of ['raw', 'qcow2']) {
  test(`an image has the size that qemu-img gives it, or is refused, and the same in it: ${format}`, async (t) => {
    const cwd = directory(t);
    const shell = (commands: string): void => void execFileSync('sh', ['-ec', commands], { cwd, stdio: 'pipe' });
    shell(`qemu-img create -q -f ${format} a.img 10M; qemu-io -f ${format} -c 'write -P 5 0 10M' a.img`);
    for (const change of changes) {
      for (const copy of ['ours.img', 'theirs.img']) copyFileSync(join(cwd, 'a.img'), join(cwd, copy));
      const size = change.at(-1)!;
      const options = ['-f', format, ...change.slice(0, -1)];
      const theirs = qemu(cwd, 'resize', ...options, 'theirs.img', size);
      const ours = await run(['image', 'resize', ...options, 'ours.img', size], {}, cwd);
      t.is(ours.status, theirs.status, `${change.join(' ')}: ${ours.errors}`);
      t.is(ours.out, theirs.out, change.join(' '));
      if (ours.status !== 0) t.regex(ours.errors, /^ashlar: .+\n$/);
      t.is(qemu(cwd, 'compare', '-f', format, '-F', format, 'ours.img', 'theirs.img').status, 0, change.join(' '));
      if (format === 'qcow2') t.is(qemu(cwd, 'check', 'ours.img').status, 0, change.join(' '));
      const rooms = ['ours.img', 'theirs.img'].map((name) => statSync(join(cwd, name)).blocks * 512);
      const isReserved = change.some((word) => /falloc|full/.test(word));
      if (isReserved) t.true(Math.abs(rooms[0]! - rooms[1]!) <= 1024 * 1024, `${change.join(' ')}: ${rooms}`);
    }
  });
}
