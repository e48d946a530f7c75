import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileTreeContract, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { openDirectoryTree } from './open-directory.ts';

const long = process.env['ASHLAR_LONG'] === '1';
/** Only root is anybody it wants to be. */
const isRoot = process.geteuid?.() === 0;

for (const [name, parent, withTable] of [
  ['directory', tmpdir(), false],
  ['directory in memory', '/dev/shm', false],
  ['directory with a table of handles', tmpdir(), true],
] as const) {
  // Like the disk, but for its cookies and its reads.
  if (!isRoot || (parent !== tmpdir() && !long)) continue;
  fileTreeContract(test, name, {
    isShared: true,
    open: async (t) => {
      const path = mkdtempSync(join(parent, 'ashlar-tree-'));
      t.teardown(() => rmSync(path, { recursive: true, force: true }));
      chmodSync(path, 0o777);
      const records = new MemoryObjectStore();
      const random = new SeededRandom(5);
      return openDirectoryTree(path, {
        clock: systemTime,
        random,
        scheduler: systemTime,
        records,
        key: Buffer.from('x-'),
        withTable,
      });
    },
  });
}
