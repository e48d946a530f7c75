import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials, FileTree } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime, testAsRoot } from '@ashlar/testing';
import ava, { type ExecutionContext } from 'ava';
import { openDirectoryTree } from './open-directory.ts';

const root = { uid: 0, gid: 0, gids: [] };
const user: Credentials = { uid: 1000, gid: 100, gids: [200] };
const other: Credentials = { uid: 2000, gid: 300, gids: [] };
const named = (text: string): Uint8Array => Buffer.from(text);

type Place = { readonly path: string; readonly tree: FileTree };

async function open(t: ExecutionContext): Promise<Place> {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-callers-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  chmodSync(path, 0o777);
  const [records, random, key] = [new MemoryObjectStore(), new SeededRandom(3), Buffer.from('x-')];
  const tree = await openDirectoryTree(path, { clock: systemTime, scheduler: systemTime, random, records, key });
  t.teardown(() => tree.close());
  return { path, tree };
}

const test = (title: string, body: (t: ExecutionContext, place: Place) => Promise<void>): void =>
  testAsRoot(ava, 'setfacl')(title, async (t) => body(t, await open(t)));

const find = async ({ tree }: Place, name: string): Promise<Uint8Array> =>
  (await tree.lookup(tree.root, named(name), root)).file;

test('what is made is its maker’s, with the mode that was asked for, whatever the server masks', async (t, {
  path,
  tree,
}) => {
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const how = { mode: 'guarded', attributes: { mode: 0o666 } } as const;
  await tree.create(tree.root, named('file'), how, { who: user });
  await tree.makeDirectory(tree.root, named('directory'), { mode: 0o777 }, { who: user });
  await tree.makeNode(tree.root, named('fifo'), 'fifo', { major: 0, minor: 0 }, { mode: 0o622 }, { who: user });
  for (const [name, mode] of [
    ['file', 0o666],
    ['directory', 0o777],
    ['fifo', 0o622],
  ] as const) {
    const stat = statSync(join(path, name));
    t.deepEqual([stat.uid, stat.gid, stat.mode & 0o7777], [1000, 100, mode], name);
  }
  t.is(process.umask(), 0o077);
  writeFileSync(join(path, 'ours'), '');
  t.is(statSync(join(path, 'ours')).uid, 0, 'the server is itself again');
  t.is(statSync(join(path, 'ours')).gid, 0);
});

test('groups of the caller count, those of one before do not', async (t, place) => {
  const { path, tree } = place;
  writeFileSync(join(path, 'file'), 'text');
  chownSync(join(path, 'file'), 0, 200);
  chmodSync(join(path, 'file'), 0o040);
  const file = await find(place, 'file');
  t.is((await tree.read(file, 0, Buffer.alloc(9), user)).count, 4);
  await failsWith(t, 'denied', async () => tree.read(file, 0, Buffer.alloc(9), other));
  t.is((await tree.access(file, 0x3f, user)).granted, 1);
  t.is((await tree.access(file, 0x3f, other)).granted, 0);
});

test('lists of access rights are the kernel’s to check', async (t, place) => {
  const { path, tree } = place;
  writeFileSync(join(path, 'file'), 'text');
  chmodSync(join(path, 'file'), 0o600);
  const file = await find(place, 'file');
  await failsWith(t, 'denied', async () => tree.read(file, 0, Buffer.alloc(9), other));
  execFileSync('setfacl', ['-m', 'u:2000:rw', join(path, 'file')]);
  t.is((await tree.read(file, 0, Buffer.alloc(9), other)).count, 4);
  await tree.write(file, 0, named('T'), 'unstable', other);
  t.is((await tree.access(file, 0x3f, other)).granted, 1 | 4 | 8);
  await failsWith(t, 'denied', async () => tree.read(file, 0, Buffer.alloc(9), user));
});

test('bits of set-id go with a write and a new owner, but not where root wrote', async (t, place) => {
  const { path, tree } = place;
  const mode = (): number => statSync(join(path, 'file')).mode & 0o7777;
  writeFileSync(join(path, 'file'), 'text');
  chownSync(join(path, 'file'), 1000, 100);
  const file = await find(place, 'file');
  const set = (): void => chmodSync(join(path, 'file'), 0o6777);
  set();
  await tree.write(file, 0, named('a'), 'unstable', other);
  t.is(mode(), 0o777, 'somebody wrote');
  set();
  await tree.write(file, 0, named('a'), 'unstable', root);
  t.is(mode(), 0o6777, 'root wrote');
  await tree.setAttributes(file, { sizeBytes: 1 }, undefined, { who: other });
  t.is(mode(), 0o777, 'somebody cut it');
  set();
  await tree.setAttributes(file, { gid: 200 }, undefined, { who: user });
  t.is(mode(), 0o777, 'it was given away');
});

test('its owner reads and writes a file that is open there, and who executes one reads it', async (t, place) => {
  const { path, tree } = place;
  const how = { mode: 'guarded', attributes: { mode: 0 } } as const;
  const { file } = await tree.create(tree.root, named('file'), how, { who: user });
  await tree.write(file, 0, named('text'), 'unstable', user);
  t.is((await tree.read(file, 0, Buffer.alloc(9), user)).count, 4);
  await failsWith(t, 'denied', async () => tree.write(file, 0, named('x'), 'unstable', other));
  chmodSync(join(path, 'file'), 0o001);
  t.is((await tree.read(file, 0, Buffer.alloc(9), other)).count, 4);
});

test('who may write a file may say that it was used now, and no other time', async (t, place) => {
  const { path, tree } = place;
  writeFileSync(join(path, 'file'), '');
  chmodSync(join(path, 'file'), 0o666);
  const file = await find(place, 'file');
  await tree.setAttributes(file, { modified: 'now' }, undefined, { who: other });
  const time = { seconds: 5, nanoseconds: 6 };
  await failsWith(t, 'not-owner', async () => tree.setAttributes(file, { modified: time }, undefined, { who: other }));
  await tree.setAttributes(file, { modified: time }, undefined, { who: root });
  t.deepEqual((await tree.getAttributes(file)).modified, time);
  chmodSync(join(path, 'file'), 0o644);
  await failsWith(t, 'denied', async () => tree.setAttributes(file, { modified: 'now' }, undefined, { who: other }));
});

test('nobody is let in by a number that no user has', async (t, place) => {
  const nobody = { uid: 0xffff_ffff, gid: 0, gids: [] };
  const how = { mode: 'guarded', attributes: {} } as const;
  await failsWith(t, 'denied', async () => place.tree.create(place.tree.root, named('a'), how, { who: nobody }));
});

test('what a caller may not look at is listed by its name alone', async (t, place) => {
  const { path, tree } = place;
  mkdirSync(join(path, 'd'));
  writeFileSync(join(path, 'd', 'file'), '');
  chmodSync(join(path, 'd'), 0o744);
  const directory = await find(place, 'd');
  const { entries } = await tree.list(directory, 0n, 10, true, other);
  const entry = entries.find(({ name }) => Buffer.from(name).toString() === 'file');
  t.is(entry?.found, undefined);
  t.is(entry?.fileId, BigInt(statSync(join(path, 'd', 'file')).ino));
});

test('a file that cannot be made whole is not made', async (t, place) => {
  const { tree } = place;
  const how = { mode: 'guarded', attributes: { uid: 0 } } as const;
  await failsWith(t, 'not-owner', async () => tree.create(tree.root, named('a'), how, { who: user }));
  await failsWith(t, 'not-found', async () => tree.lookup(tree.root, named('a'), user));
});
