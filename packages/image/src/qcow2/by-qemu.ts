import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory that goes with the test. */
export function directory(t: { teardown(tidy: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-qcow2-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/**
 * Runs qemu-img in a directory. Gives what it prints. To start a process costs the more the more memory this one has: tests
 * that start many run one after the other, so that it is the memory of one.
 */
export const qemuImg = (cwd: string, ...words: readonly string[]): string =>
  execFileSync('qemu-img', words, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** What `qemu-img check` says, and its status: 0 all is right, 3 clusters are lost and nothing else, 2 something is wrong. */
export function checked(cwd: string, name: string): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', name], { cwd, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

/** What QEMU reads of an image. */
export function contentsOf(cwd: string, ...image: readonly string[]): Buffer {
  qemuImg(cwd, 'convert', '-O', 'raw', ...image, 'expected.raw');
  return readFileSync(join(cwd, 'expected.raw'));
}

/** Runs commands of qemu-io on an image. */
export const qemuIo = (cwd: string, image: string, ...commands: readonly string[]): string =>
  execFileSync('qemu-io', [...commands.flatMap((command) => ['-c', command]), ...image.split(' ')], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Options of images of every kind: what `qemu-img create -o` takes. */
export const layouts = [
  '',
  'compat=0.10',
  'cluster_size=512',
  'cluster_size=512,compat=0.10',
  'cluster_size=4k,refcount_bits=1',
  'cluster_size=2M,refcount_bits=64',
  'refcount_bits=8,lazy_refcounts=on',
  'extended_l2=on',
  'extended_l2=on,cluster_size=16k',
  'extended_l2=on,cluster_size=2M',
  'preallocation=metadata',
  'preallocation=falloc',
  'data_file=data.raw',
  'data_file=data.raw,data_file_raw=on',
  'data_file=data.raw,extended_l2=on',
];
