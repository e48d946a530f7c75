import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openLmdb } from './lmdb.ts';

test('a process ends in the middle of a commit, with its status, and leaves what was committed before', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-end-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'records');
  const program = new URL('./end-child.ts', import.meta.url).pathname;
  for (let time = 0; time < 5; time += 1) {
    const child = spawn(process.execPath, [program, path, '7'], { stdio: 'inherit' });
    const hangs = setTimeout(() => child.kill('SIGKILL'), 20_000);
    t.deepEqual(await once(child, 'exit'), [7, null]);
    clearTimeout(hangs);
  }
  const records = openLmdb(path);
  t.deepEqual([...(records.get(Uint8Array.of(1)) ?? [])], [1]);
  await records.close();
});
