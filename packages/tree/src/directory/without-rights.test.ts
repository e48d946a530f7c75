import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';

const run = promisify(execFile);

/** Opens a directory as a process that may do nothing but what its user may, and tells what it found. */
const program = (path: string): string => `
import { openDirectoryTree } from ${JSON.stringify(new URL('open-directory.ts', import.meta.url).href)};
import { MemoryObjectStore, SeededRandom, systemTime } from ${JSON.stringify(import.meta.resolve('@ashlar/testing'))};
const [records, random, key] = [new MemoryObjectStore(), new SeededRandom(1), Buffer.from('x-')];
const tree = await openDirectoryTree(${JSON.stringify(path)}, { clock: systemTime, scheduler: systemTime, random, records, key });
const who = { uid: 1000, gid: 100, gids: [] };
const named = (text) => Buffer.from(text);
const made = await tree.create(tree.root, named('made'), { mode: 'guarded', attributes: { mode: 0o640 } }, { who });
await tree.write(made.file, 0, named('text'), 'file', who);
await tree.rename(tree.root, named('made'), tree.root, named('moved'), { who });
const { attributes } = await tree.lookup(tree.root, named('moved'), who);
const { file } = await tree.lookup(tree.root, named('theirs'), who);
const denied = await Promise.try(() => tree.read(file, 0, Buffer.alloc(9), who)).then(() => 'read', ({ kind }) => kind);
await tree.sync();
await tree.close();
console.log(JSON.stringify({ kind: tree.root[0], size: attributes.sizeBytes, denied }));
`;

testAsRoot(test, 'setpriv')(
  'a server without rights does everything as its own user, with handles on record',
  async (t) => {
    const path = mkdtempSync(join(tmpdir(), 'ashlar-rights-'));
    t.teardown(() => rmSync(path, { recursive: true, force: true }));
    writeFileSync(join(path, 'theirs'), 'text');
    chownSync(join(path, 'theirs'), 1000, 100);
    chmodSync(join(path, 'theirs'), 0o600);
    const words = ['--bounding-set', '-all', process.execPath, '--input-type=module', '-e', program(path)];
    const { stdout } = await run('setpriv', words);
    t.deepEqual(JSON.parse(stdout), { kind: 2, size: 4, denied: 'denied' });
    const { mode, uid } = statSync(join(path, 'moved'));
    t.deepEqual([uid, mode & 0o777], [0, 0o640]);
  },
);
