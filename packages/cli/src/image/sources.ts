import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Runs qemu-img in a directory. Gives what it prints. */
export const qemuImg = (cwd: string, ...words: readonly string[]): string =>
  execFileSync('qemu-img', words, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

function write(cwd: string, image: string, ...commands: readonly string[]): void {
  const words = commands.flatMap((command) => ['-c', command]);
  execFileSync('qemu-io', [...words, image], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A raw file with holes and zeros at odd places, whose end is no whole sector. */
function makeRaw(path: string): void {
  const file = openSync(path, 'w');
  writeSync(file, Buffer.alloc(70_000, 1), 0, 70_000, 4096);
  writeSync(file, Buffer.alloc(300_000), 0, 300_000, 2 ** 20);
  writeSync(file, Buffer.from('one'), 0, 3, 2 ** 21 + 12_345);
  writeSync(file, Buffer.alloc(100, 9), 0, 100, 5 * 2 ** 20 + 512 * 3);
  closeSync(file);
  truncateSync(path, 5 * 2 ** 20 + 512 * 3 + 700);
}

/** Disks of every kind that qemu-img and qemu-io make, each with holes at odd places. Gives their names. */
export function makeSources(cwd: string): readonly string[] {
  const create = (...words: string[]): string => qemuImg(cwd, 'create', '-q', '-f', 'qcow2', ...words);
  create('base.qcow2', '7M');
  write(cwd, 'base.qcow2', 'write -P 1 0 1M', 'write -z 2M 1M', 'write -P 3 5000k 64k', 'write -P 7 6652k 516k');
  create('-b', 'base.qcow2', '-F', 'qcow2', '-o', 'cluster_size=4k', 'top.qcow2', '9438720');
  write(cwd, 'top.qcow2', 'write -P 5 516k 1030k', 'write -z 5M 100k', 'write -P 6 9437184 1536');
  create('-o', 'extended_l2=on', 'extended.qcow2', '6M');
  write(cwd, 'extended.qcow2', 'write -P 1 2k 2k', 'write -P 2 70k 10k', 'write -z 3M 100k', 'write -P 2 4000k 512');
  create('-o', 'compat=0.10,cluster_size=512', 'old.qcow2', '1M');
  write(cwd, 'old.qcow2', 'write -P 1 3k 5k', 'write -P 0 512k 8k', 'write -P 2 1000k 512');
  create('-o', `data_file=${join(cwd, 'data.raw')}`, 'data.qcow2', '3M');
  write(cwd, 'data.qcow2', 'write -P 1 64k 128k', 'write -z 1M 64k');
  create('-o', 'preallocation=metadata', 'reserved.qcow2', '4M');
  write(cwd, 'reserved.qcow2', 'write -P 1 1M 64k', 'write -z 2M 64k', 'write -P 2 3M 512');
  makeRaw(join(cwd, 'disk.raw'));
  qemuImg(cwd, 'convert', '-c', '-O', 'qcow2', 'top.qcow2', 'packed.qcow2');
  qemuImg(
    cwd,
    'convert',
    '-c',
    '-O',
    'qcow2',
    '-o',
    'compression_type=zstd,cluster_size=8k',
    'top.qcow2',
    'zstd.qcow2',
  );
  create('-b', 'disk.raw', '-F', 'raw', 'over.qcow2');
  write(cwd, 'over.qcow2', 'write -P 5 2M 4k', 'write -z 100k 3k');
  return [
    'base.qcow2',
    'top.qcow2',
    'extended.qcow2',
    'old.qcow2',
    'data.qcow2',
    'reserved.qcow2',
    'disk.raw',
    'packed.qcow2',
    'zstd.qcow2',
    'over.qcow2',
  ];
}

/** Bytes of room that a file takes. */
export const roomOf = (cwd: string, name: string): number => statSync(join(cwd, name)).blocks * 512;
