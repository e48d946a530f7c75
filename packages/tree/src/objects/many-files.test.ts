import type { FileHandle, SnapshotId } from '@ashlar/core';
import { MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { faultsOf } from './faults-of.ts';
import { openObjectTree, type VolumeTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';
import { versionKeys } from './record-versions.ts';
import { rollBackRecords } from './roll-back.ts';

const count = 700;
const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const plain = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
const seams = { clock: systemTime, random: new SeededRandom(1) };
const options = { ...seams, room: () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }) };

/** A tree with many files. */
async function made(): Promise<{ store: MemoryObjectStore; tree: VolumeTree; files: FileHandle[] }> {
  const store = new MemoryObjectStore();
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  const tree = await openObjectTree(store, options);
  const files: FileHandle[] = [];
  for (let at = 0; at < count; at += 1) {
    files.push((await tree.create(tree.root, Buffer.from(`file ${at}`), plain, by)).file);
  }
  return { store, tree, files };
}

async function writeAll(tree: VolumeTree, files: readonly FileHandle[], text: string): Promise<void> {
  for (const file of files) await tree.write(file, 0, Buffer.from(text), 'unstable', who);
}

async function taken(store: MemoryObjectStore, tree: VolumeTree): Promise<SnapshotId> {
  const held = await tree.hold();
  try {
    const id = await store.snapshot();
    await held.took(id);
    return id;
  } finally {
    held.release();
  }
}

async function isInOrder(t: ExecutionContext, store: MemoryObjectStore): Promise<void> {
  const { reclaimer, snapshots } = await openTreeState(store, options);
  await snapshots.keepOnly(new Set());
  await Promise.all([reclaimer.idle(), snapshots.idle()]);
  t.deepEqual(await faultsOf(store), []);
  t.deepEqual(await store.scanRecords(versionKeys[0], versionKeys[1], 10), []);
}

test('of many files what was written and is not on record goes there by commits that a store takes', async (t) => {
  const { files, store, tree } = await made();
  await writeAll(tree, files, 'a');
  await tree.commit(files[0]!, 0, 0);
  for (const file of files) await tree.setAttributes(file, { mode: 0o600 }, undefined, by);
  await writeAll(tree, files, 'b');
  await tree.close();
  await isInOrder(t, store);
});

test('snapshots of many files that change are taken, dropped and rolled back to by commits that a store takes', async (t) => {
  const { files, store, tree } = await made();
  const first = await taken(store, tree);
  await writeAll(tree, files, 'first');
  const second = await taken(store, tree);
  await writeAll(tree, files, 'second');
  await store.deleteSnapshot(second);
  await tree.keepSnapshots(store.snapshotIds);
  await tree.close();
  await store.rollBack(first);
  await rollBackRecords(store, first);
  const again = await openObjectTree(store, options);
  t.is((await again.getAttributes(files.at(-1)!)).sizeBytes, 0);
  await again.close();
  await isInOrder(t, store);
});

test('a file of many regions is given back by commits that a store takes', async (t) => {
  const store = new MemoryObjectStore();
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  const tree = await openObjectTree(store, options);
  const { file } = await tree.create(tree.root, Buffer.from('large'), plain, by);
  for (let at = 0; at < 5000; at += 1) await tree.write(file, at * 2 ** 30, Buffer.of(1), 'unstable', who);
  await tree.remove(tree.root, Buffer.from('large'), by);
  await tree.close();
  await isInOrder(t, store);
  t.is(store.usedBytes, 0);
});
