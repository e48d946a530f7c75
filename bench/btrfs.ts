import { mkdir, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import { run } from './process.ts';
import { settled } from './settled.ts';

/** A file system has so much more than twice the image: btrfs is not made smaller than about half of it. */
const spareBytes = 256 * MiB;

async function usedBytes(mount: string): Promise<number> {
  await settled(mount);
  const { blocks, bfree, bsize } = await statfs(mount);
  return (blocks - bfree) * bsize;
}

/**
 * Room that an image takes in btrfs with `compress=zstd:1`, in bytes; undefined, behind a line that says why, where the
 * host makes or mounts none.
 */
export async function btrfsBytes(
  directory: string,
  image: string,
  sizeBytes: number,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<number | undefined> {
  const [file, mount] = [join(directory, 'btrfs.raw'), join(directory, 'btrfs')];
  await writeFile(file, '');
  await truncate(file, 2 * sizeBytes + spareBytes);
  await mkdir(mount);
  try {
    await run('mkfs.btrfs', ['--quiet', file]);
    await run('mount', ['-o', 'loop,compress=zstd:1', file, mount]);
  } catch (error) {
    say(`compression: btrfs is left out: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return undefined;
  }
  let isMounted = true;
  const unmount = async (): Promise<void> => {
    if (isMounted) await run('umount', ['--lazy', mount]);
    isMounted = false;
  };
  cleanup.add(unmount);
  const before = await usedBytes(mount);
  await run('cp', ['--sparse=never', image, mount]);
  const after = await usedBytes(mount);
  await unmount();
  return after - before;
}
