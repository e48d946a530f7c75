import type { Acl, Credentials } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { inodeKey, keysOf, prefix } from './keys.ts';
import { openObjectTree } from './object-tree.ts';
import { makeTree } from './open-tree.ts';
import { rollBackRecords } from './roll-back.ts';

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const other: Credentials = { uid: 7, gid: 7, gids: [] };
const by = { who: root };
const seams = { clock: systemTime, random: new SeededRandom(5) };
const named = (text: string): Uint8Array => Buffer.from(text);

const sharedWith = (id: number): Acl => [
  { tag: 'owner', id: 0, permissions: 6 },
  { tag: 'user', id, permissions: 4 },
  { tag: 'owning-group', id: 0, permissions: 0 },
  { tag: 'mask', id: 0, permissions: 4 },
  { tag: 'others', id: 0, permissions: 0 },
];

const open = async (store: MemoryObjectStore) =>
  openObjectTree(store, { ...seams, room: () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }) });

async function newTree() {
  const store = new MemoryObjectStore();
  await makeTree(store, store.object, seams, { uid: 0, gid: 0, mode: 0o777 });
  const tree = await open(store);
  const how = { mode: 'guarded', attributes: { mode: 0o600 } } as const;
  const { attributes, file } = await tree.create(tree.root, named('a'), how, by);
  return { store, tree, file, number: Number(attributes.fileId) };
}

test('a list is there behind a process that was killed', async (t) => {
  const { file, store, tree } = await newTree();
  await tree.acls!.set(file, { access: sharedWith(7) }, by);
  await tree.sync();
  const again = await open(store.afterKill());
  t.deepEqual((await again.acls!.get(file)).access, sharedWith(7));
  t.is((await again.access(file, 1, other)).granted, 1);
});

test('a snapshot has the list of its time, and so has a tree that goes back to it', async (t) => {
  const { file, store, tree } = await newTree();
  await tree.acls!.set(file, { access: sharedWith(7) }, by);
  const held = await tree.hold();
  const id = await store.snapshot();
  await held.took(id);
  held.release();
  await tree.acls!.set(file, { access: [] }, by);
  t.is((await tree.access(file, 1, other)).granted, 0);
  const then = await tree.openSnapshot(store.openSnapshot(id));
  t.deepEqual((await then.acls!.get(file)).access, sharedWith(7));
  t.is((await then.access(file, 1, other)).granted, 1);
  await failsWith(t, 'read-only', async () => then.acls!.set(file, { access: [] }, by));
  await tree.close();
  await store.rollBack(id);
  await rollBackRecords(store, id);
  t.deepEqual((await (await open(store)).acls!.get(file)).access, sharedWith(7));
});

test('a list goes with its file, and leaves nothing of itself in a record when it is removed', async (t) => {
  const { file, number, store, tree } = await newTree();
  const lengthOf = async (): Promise<number | undefined> => (await store.getRecord(inodeKey(number)))?.length;
  const before = await lengthOf();
  await tree.acls!.set(file, { access: sharedWith(7) }, by);
  t.true((await lengthOf())! > before!);
  await tree.acls!.set(file, { access: [], inherited: [] }, by);
  t.is(await lengthOf(), before);
  await tree.acls!.set(file, { access: sharedWith(7) }, by);
  await tree.remove(tree.root, named('a'), by);
  t.is(await lengthOf(), undefined);
  t.is((await store.scanRecords(...keysOf(prefix.inode), 10)).length, 1);
});

test('an answer is kept with the change of a list', async (t) => {
  const { file, tree } = await newTree();
  const owner = named('client');
  const receipt = () => ({ owner, slot: 3, value: named('answer') });
  await tree.acls!.set(file, { access: sharedWith(7) }, { who: root, receipt });
  t.deepEqual(
    (await tree.receipts(owner)).map((each) => Buffer.from(each).toString()),
    ['answer'],
  );
});
