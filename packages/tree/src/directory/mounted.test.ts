import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AshlarError, FileTree } from '@ashlar/core';
import {
  failsWith,
  fileTreeContract,
  ManualTime,
  MemoryObjectStore,
  SeededRandom,
  systemTime,
  testAsRoot,
} from '@ashlar/testing';
import ava, { type ExecutionContext } from 'ava';
import { openDirectoryTree, type OpenDirectoryOptions } from './open-directory.ts';

const long = process.env['ASHLAR_LONG'] === '1';
const asRoot = testAsRoot(ava, 'mount');
const root = { uid: 0, gid: 0, gids: [] };
const named = (text: string): Uint8Array => Buffer.from(text);

function directory(t: Pick<ExecutionContext, 'teardown'>): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-mounted-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function mount(t: Pick<ExecutionContext, 'teardown'>, path: string, ...options: readonly string[]): void {
  execFileSync('mount', [...options, path]);
  t.teardown(() => execFileSync('umount', ['-l', path]));
}

async function open(
  t: Pick<ExecutionContext, 'teardown'>,
  path: string,
  more: Partial<OpenDirectoryOptions> = {},
): Promise<FileTree> {
  const [records, random, key] = [new MemoryObjectStore(), new SeededRandom(3), Buffer.from('x-')];
  const seams = { clock: systemTime, scheduler: systemTime, random };
  const tree = await openDirectoryTree(path, { ...seams, records, key, ...more });
  t.teardown(() => tree.close());
  return tree;
}

asRoot('what is mounted below is named, and neither entered nor removed', async (t) => {
  const path = directory(t);
  mkdirSync(join(path, 'below'));
  mount(t, join(path, 'below'), '-t', 'tmpfs', 'none');
  writeFileSync(join(path, 'below', 'file'), '');
  const tree = await open(t, path);
  await failsWith(t, 'denied', async () => tree.lookup(tree.root, named('below'), root));
  await failsWith(t, 'denied', async () => tree.removeDirectory(tree.root, named('below'), { who: root }));
  const { entries } = await tree.list(tree.root, 0n, 10, true, root);
  const entry = entries.find(({ name }) => Buffer.from(name).toString() === 'below');
  t.is(entry?.found, undefined);
});

asRoot('a directory is the same, also where another file system is mounted over it later', async (t) => {
  const path = directory(t);
  mkdirSync(join(path, 'a', 'b'), { recursive: true });
  const tree = await open(t, path);
  const { file } = await tree.lookup(tree.root, named('a'), root);
  mount(t, join(path, 'a'), '-t', 'tmpfs', 'none');
  t.is((await tree.lookup(file, named('b'), root)).attributes.type, 'directory');
});

asRoot('on record what another file system is mounted over is neither stale nor forgotten', async (t) => {
  const path = directory(t);
  mkdirSync(join(path, 'a'));
  writeFileSync(join(path, 'a', 'file'), 'text');
  const [records, time] = [new MemoryObjectStore(), new ManualTime()];
  const more = { records, clock: time, scheduler: time, withTable: true };
  const first = await open(t, path, more);
  const { file: a } = await first.lookup(first.root, named('a'), root);
  const { file } = await first.lookup(a, named('file'), root);
  await first.close();
  execFileSync('mount', ['-t', 'tmpfs', 'none', join(path, 'a')]);
  t.teardown(() => execFileSync('sh', ['-c', `umount -l ${join(path, 'a')} 2>/dev/null || true`]));
  const covered = await open(t, path, more);
  for (const each of [a, file]) await failsWith(t, 'denied', async () => covered.getAttributes(each));
  for (let day = 0; day < 20; day += 1) await time.advance(86_400_000);
  execFileSync('umount', [join(path, 'a')]);
  t.is((await covered.getAttributes(file)).sizeBytes, 4);
});

asRoot('a full disk is no room, and what it has is read', async (t) => {
  const path = directory(t);
  mount(t, path, '-t', 'tmpfs', '-o', 'size=1m', 'none');
  const tree = await open(t, path);
  const { availableBytes, totalBytes } = await tree.statistics();
  t.is(totalBytes, 2 ** 20);
  t.true(availableBytes <= totalBytes);
  const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
  const { file } = await tree.create(tree.root, named('file'), how, { who: root });
  const piece = Buffer.alloc(2 ** 19, 7);
  await tree.write(file, 0, piece, 'file', root);
  await failsWith(t, 'no-space', async () => tree.write(file, 2 ** 19, Buffer.alloc(2 ** 20), 'unstable', root));
  const into = Buffer.alloc(2 ** 19);
  await tree.read(file, 0, into, root);
  t.true(into.equals(piece));
  await tree.remove(tree.root, named('file'), { who: root });
  t.is((await tree.statistics()).freeBytes, totalBytes, 'its room is free at once');
});

asRoot('what is there to be read is not changed', async (t) => {
  const path = directory(t);
  mount(t, path, '-t', 'tmpfs', 'none');
  writeFileSync(join(path, 'file'), 'text');
  execFileSync('mount', ['-o', 'remount,ro', path]);
  const tree = await open(t, path);
  const { file } = await tree.lookup(tree.root, named('file'), root);
  t.is((await tree.read(file, 0, Buffer.alloc(9), root)).count, 4);
  await failsWith(t, 'read-only', async () => tree.write(file, 0, named('x'), 'unstable', root));
  await failsWith(t, 'read-only', async () => tree.makeDirectory(tree.root, named('d'), {}, { who: root }));
  t.is((await tree.access(file, 0x3f, root)).granted, 1);
});

/** A fresh file system in a file, mounted. */
function fileSystem(t: Pick<ExecutionContext, 'teardown'>, kind: string): string {
  const path = directory(t);
  const image = join(path, 'image');
  execFileSync('truncate', ['-s', '400M', image]);
  execFileSync(`mkfs.${kind}`, ['-q', image], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });
  mkdirSync(join(path, 'mounted'));
  mount(t, join(path, 'mounted'), '-o', 'loop', image);
  chmodSync(join(path, 'mounted'), 0o777);
  rmSync(join(path, 'mounted', 'lost+found'), { recursive: true, force: true });
  return join(path, 'mounted');
}

const isRoot = process.geteuid?.() === 0;
if (long && isRoot) {
  for (const kind of ['ext4', 'xfs']) {
    fileTreeContract(ava.serial as typeof ava, `directory on ${kind}`, {
      isShared: true,
      open: async (t) => open(t, fileSystem(t, kind)),
    });
    asRoot(`handles of ${kind} are the same when it is mounted again, and tell files of one inode apart`, async (t) => {
      const path = fileSystem(t, kind);
      const tree = await open(t, path);
      const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
      const stays = await tree.create(tree.root, named('stays'), how, { who: root });
      renameSync(join(path, 'stays'), join(path, 'moved'));
      const seen = new Map<bigint, Uint8Array>();
      for (let count = 0; count < 50; count += 1) {
        const made = await tree.create(tree.root, named('passes'), how, { who: root });
        const { fileId } = made.attributes;
        const before = seen.get(fileId);
        if (before !== undefined) t.notDeepEqual(before, made.file);
        seen.set(fileId, made.file);
        await tree.remove(tree.root, named('passes'), { who: root });
        await failsWith(t, 'stale', async () => tree.getAttributes(made.file));
      }
      t.true(seen.size < 50, 'inodes are used again');
      await tree.close();
      const image = execFileSync('findmnt', ['-no', 'SOURCE', path]).toString().trim();
      const file = execFileSync('losetup', ['-n', '-O', 'BACK-FILE', image]).toString().trim();
      execFileSync('umount', [path]);
      execFileSync('mount', ['-o', 'loop', file, path]);
      const again = await open(t, path);
      t.deepEqual((await again.getAttributes(stays.file)).fileId, stays.attributes.fileId);
    });
  }

  asRoot('what a file system keeps back for root is not for others', async (t) => {
    const path = fileSystem(t, 'ext4');
    const tree = await open(t, path);
    const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
    const user = { uid: 1000, gid: 100, gids: [] };
    const fill = async (name: string, who: typeof user): Promise<number> => {
      const { file } = await tree.create(tree.root, named(name), how, { who });
      for (let at = 0; ; at += 1) {
        const kind = await Promise.try(() =>
          tree.write(file, at * 2 ** 20, Buffer.alloc(2 ** 20, 1), 'data', who),
        ).then(
          () => undefined,
          (error: AshlarError) => error.kind,
        );
        if (kind === undefined) continue;
        t.is(kind, 'no-space');
        return at;
      }
    };
    await fill('user', user);
    t.true((await fill('root', root)) >= 5);
  });

  asRoot('a sync that fails is told to all that wait, and the write verifier is another one', async (t) => {
    const path = directory(t);
    mkdirSync(join(path, 'small'));
    mount(t, join(path, 'small'), '-t', 'tmpfs', '-o', 'size=16m', 'none');
    const image = join(path, 'small', 'image');
    execFileSync('truncate', ['-s', '200M', image]);
    execFileSync('/usr/sbin/mkfs.ext4', ['-q', '-O', '^has_journal', '-E', 'lazy_itable_init=1', image]);
    mkdirSync(join(path, 'mounted'));
    mount(t, join(path, 'mounted'), '-o', 'loop', image);
    const tree = await open(t, join(path, 'mounted'));
    const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
    const { file } = await tree.create(tree.root, named('file'), how, { who: root });
    const { writeVerifier } = tree;
    for (let at = 0; at < 40; at += 1) await tree.write(file, at * 2 ** 20, Buffer.alloc(2 ** 20, 1), 'unstable', root);
    const commits = [1, 2, 3].map(async () => tree.commit(file, 0, 0));
    for (const each of await Promise.allSettled(commits)) t.is(each.status, 'rejected');
    t.notDeepEqual(tree.writeVerifier, writeVerifier);
    await tree.close().catch(() => undefined);
  });
}
