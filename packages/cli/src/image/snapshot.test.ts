import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';

const qemuImg = (cwd: string, ...words: readonly string[]): string =>
  execFileSync('qemu-img', words, { cwd, encoding: 'utf8' });

test('snapshots are listed as qemu-img lists them, made, gone back to and deleted', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '1M');
  const snapshot = (...words: readonly string[]): ReturnType<typeof run> =>
    run(['image', 'snapshot', ...words, 'a.qcow2'], {}, cwd);
  t.is((await snapshot('-l')).out, qemuImg(cwd, 'snapshot', '-l', 'a.qcow2'));
  qemuImg(cwd, 'snapshot', '-c', 'theirs', 'a.qcow2');
  for (const name of ['ours', 'a name', 'theirs']) {
    t.deepEqual(await snapshot('-c', name), { status: 0, out: '', errors: '' });
  }
  const listed = qemuImg(cwd, 'snapshot', '-l', 'a.qcow2');
  t.is((await snapshot('-l')).out, listed);
  t.is((await snapshot('-l', '-U')).out, listed);
  t.deepEqual(
    listed.split('\n').map((line) => line.slice(0, 20).trim().split(/ {2,}/)),
    [['Snapshot list:'], ['ID', 'TAG'], ['1', 'theirs'], ['2', 'ours'], ['3', 'a name'], ['4', 'theirs'], ['']],
  );
  t.is((await snapshot('-a', 'ours')).status, 0);
  // An id goes before a name, and of two names the first one.
  for (const name of ['theirs', '3']) t.is((await snapshot('-d', name)).status, 0);
  t.is((await snapshot()).out, qemuImg(cwd, 'snapshot', '-l', 'a.qcow2'));
  t.deepEqual(qemuImg(cwd, 'snapshot', '-l', 'a.qcow2').match(/^\d+/gm), ['2', '4']);
  t.is(spawnSync('qemu-img', ['check', join(cwd, 'a.qcow2')]).status, 0);
});

test('a snapshot that is not there is a sentence and status 1, two things at once are status 2', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'a.qcow2', '1M');
  for (const action of ['-a', '-d']) {
    const { errors, status } = await run(['image', 'snapshot', action, 'none', 'a.qcow2'], {}, cwd);
    t.is(status, 1);
    t.is(errors, "ashlar: 'a.qcow2' has no snapshot 'none'\n");
  }
  t.is((await run(['image', 'snapshot', '-c', 'x', '-d', 'y', 'a.qcow2'], {}, cwd)).status, 2);
});
