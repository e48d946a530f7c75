import { AshlarError, type FileTree } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { faultsOf } from './faults-of.ts';
import { openObjectTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';

const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const named = (text: string): Uint8Array => Buffer.from(text);
const plain = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
const plenty = { totalBytes: 2 ** 40, freeBytes: 2 ** 39 };
const full = new AshlarError('no-space', 'the pool is full');

async function opened(isLate: boolean): Promise<{ store: MemoryObjectStore; tree: FileTree }> {
  const random = new SeededRandom(1);
  const store = new MemoryObjectStore(isLate ? random : undefined);
  const seams = { clock: systemTime, random };
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  return { store, tree: await openObjectTree(store, { ...seams, room: () => plenty }) };
}

async function isInOrder(t: ExecutionContext, store: MemoryObjectStore): Promise<void> {
  const { reclaimer } = await openTreeState(store, {
    clock: systemTime,
    random: new SeededRandom(2),
    room: () => plenty,
  });
  await reclaimer.idle();
  t.deepEqual(await faultsOf(store), []);
}

for (const isLate of [false, true]) {
  test(`a change that the store refuses was never made${isLate ? ', on a store that answers late' : ''}`, async (t) => {
    const { store, tree } = await opened(isLate);
    const { file } = await tree.create(tree.root, named('a'), plain, by);
    const directory = (await tree.makeDirectory(tree.root, named('d'), { mode: 0o755 }, by)).file;
    const before = await tree.getAttributes(tree.root);
    const beforeFile = await tree.getAttributes(file);
    store.failing = full;
    await failsWith(t, 'no-space', () => tree.create(tree.root, named('b'), plain, by));
    await failsWith(t, 'no-space', () => tree.remove(tree.root, named('a'), by));
    await failsWith(t, 'no-space', () => tree.rename(tree.root, named('a'), directory, named('x'), by));
    await failsWith(t, 'no-space', () => tree.link(file, directory, named('x'), by));
    await failsWith(t, 'no-space', () => tree.setAttributes(file, { mode: 0o600 }, undefined, by));
    await failsWith(t, 'no-space', () => tree.write(file, 0, named('x'), 'unstable', who));
    store.failing = undefined;
    t.deepEqual(await tree.getAttributes(tree.root), before);
    t.deepEqual(await tree.getAttributes(file), beforeFile);
    const { entries } = await tree.list(tree.root, 0n, 10, false, who);
    t.deepEqual(entries.map(({ name }) => Buffer.from(name).toString()).toSorted(), ['.', '..', 'a', 'd']);
    await tree.rename(tree.root, named('a'), directory, named('x'), by);
    await tree.close();
    await isInOrder(t, store);
  });

  test(`what was written and is not on record outlives a change that is refused${isLate ? ', on a store that answers late' : ''}`, async (t) => {
    const { store, tree } = await opened(isLate);
    const { file } = await tree.create(tree.root, named('a'), plain, by);
    const data = Buffer.alloc(20_000, 7);
    await tree.write(file, 0, data, 'unstable', who);
    store.failing = full;
    await failsWith(t, 'no-space', () => tree.setAttributes(file, { mode: 0o600 }, undefined, by));
    await failsWith(t, 'no-space', () => tree.remove(tree.root, named('a'), by));
    store.failing = undefined;
    const { after } = await tree.commit(file, 0, 0);
    t.is(after?.sizeBytes, data.length);
    t.is(after?.mode, 0o644);
    await tree.close();
    const again = await openObjectTree(store.afterKill(), {
      clock: systemTime,
      random: new SeededRandom(3),
      room: () => plenty,
    });
    const into = Buffer.alloc(data.length);
    t.is((await again.read(file, 0, into, who)).count, data.length);
    t.true(into.equals(data));
    await again.close();
    await isInOrder(t, store);
  });
}

test('in a tree that is full nothing grows, and what is there is written over, cut and removed', async (t) => {
  const store = new MemoryObjectStore();
  const seams = { clock: systemTime, random: new SeededRandom(1) };
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  const limit = 64 * 1024;
  const room = () => ({ totalBytes: limit, freeBytes: limit - store.usedBytes });
  const tree = await openObjectTree(store, { ...seams, room });
  const { file } = await tree.create(tree.root, named('a'), plain, by);
  for (let at = 0; at < limit; at += 4096) await tree.write(file, at, Buffer.alloc(4096, 1), 'unstable', who);
  await failsWith(t, 'no-space', async () => tree.write(file, limit, Buffer.alloc(1), 'unstable', who));
  await failsWith(t, 'no-space', async () => tree.write(file, limit - 4096, Buffer.alloc(8192), 'unstable', who));
  await tree.write(file, 100, Buffer.alloc(20_000, 2), 'unstable', who);
  t.is((await tree.getAttributes(file)).sizeBytes, limit);
  await tree.setAttributes(file, { sizeBytes: 8192 }, undefined, by);
  await tree.write(file, limit, Buffer.alloc(10, 3), 'unstable', who);
  await tree.close();
});

for (const isLate of [false, true]) {
  test(`a write waits for the room of a file that was removed just before${isLate ? ', on a store that answers late' : ''}`, async (t) => {
    const random = new SeededRandom(1);
    const store = new MemoryObjectStore(isLate ? random : undefined);
    const seams = { clock: systemTime, random };
    await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
    const limit = 64 * 1024;
    const room = () => ({ totalBytes: limit, freeBytes: limit - store.usedBytes });
    const tree = await openObjectTree(store, { ...seams, room });
    const { file } = await tree.create(tree.root, named('a'), plain, by);
    await tree.write(file, 0, Buffer.alloc(limit, 1), 'unstable', who);
    const other = (await tree.create(tree.root, named('b'), plain, by)).file;
    await failsWith(t, 'no-space', async () => tree.write(other, 0, Buffer.alloc(4096, 2), 'unstable', who));
    await tree.remove(tree.root, named('a'), by);
    const { change } = await tree.write(other, 0, Buffer.alloc(limit, 2), 'unstable', who);
    t.is(change.after?.sizeBytes, limit);
    await failsWith(t, 'no-space', async () => tree.write(other, limit, Buffer.alloc(4096, 2), 'unstable', who));
    await tree.close();
  });
}
