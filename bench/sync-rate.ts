import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';

const blockBytes = 4 * KiB;
const fileBytes = 4 * MiB;
const leastMs = 1000;

/** How many times a second a file system makes 4 KiB durable that are written over in a file which is there already, one after the other: the cheapest that a sync can be. */
export function syncsPerSecond(directory: string): number {
  const path = join(directory, 'sync-rate');
  const file = openSync(path, 'w');
  try {
    writeSync(file, Buffer.alloc(fileBytes, 1));
    fsyncSync(file);
    const block = Buffer.alloc(blockBytes, 2);
    const fromMs = performance.now();
    let count = 0;
    while (performance.now() - fromMs < leastMs) {
      writeSync(file, block, 0, blockBytes, (count * blockBytes) % fileBytes);
      fdatasyncSync(file);
      count += 1;
    }
    return (count * 1000) / (performance.now() - fromMs);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
