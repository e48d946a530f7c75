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

test('what was read stays as it is while more is read, small or large', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-lmdb-'));
  const records = openLmdb(path);
  t.teardown(async () => {
    await records.close();
    rmSync(path, { recursive: true });
  });
  const sizes = [0, 1, 63, 64, 65, 4096, 100_000, 7];
  const stored = sizes.map((size, at) => ({ key: Buffer.of(1, at), value: Buffer.alloc(size, at + 1) }));
  await records.commit(stored);
  const scanned: { key: Uint8Array; value: Uint8Array }[] = [];
  records.scan(Buffer.of(1), Buffer.of(2), (key, value) => scanned.push({ key, value }) > 0);
  const got = stored.map(({ key }) => ({ key, value: records.get(key)! }));
  t.deepEqual(scanned, stored);
  t.deepEqual(got, stored);
});
