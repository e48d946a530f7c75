import { fileTreeContract, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { openObjectTree } from './object-tree.ts';
import { makeTree } from './open-tree.ts';

const room = () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 });

for (const [name, isLate] of [
  ['file tree on a store that answers at once', false],
  ['file tree on a store that answers late', true],
] as const) {
  fileTreeContract(test, name, {
    open: async () => {
      const random = new SeededRandom(9);
      const store = new MemoryObjectStore(isLate ? random : undefined);
      const seams = { clock: systemTime, random };
      await makeTree(store, store.object, seams, { uid: 0, gid: 0, mode: 0o777 });
      return await openObjectTree(store, { ...seams, room });
    },
  });
}

/** Names that the checks use. */
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'file', 'dir', 'x', 'y', 'one', 'two'];
const who = { uid: 0, gid: 0, gids: [] };

for (const isLate of [false, true]) {
  fileTreeContract(test, `file tree that is a clone, on a store that answers ${isLate ? 'late' : 'at once'}`, {
    open: async () => {
      const random = new SeededRandom(9);
      const store = new MemoryObjectStore(isLate ? random : undefined);
      const seams = { clock: systemTime, random };
      await makeTree(store, store.object, seams, { uid: 0, gid: 0, mode: 0o777 });
      const tree = await openObjectTree(store, { ...seams, room });
      const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
      for (const name of names) await tree.create(tree.root, Buffer.from(name), how, { who });
      const held = await tree.hold();
      const id = await store.snapshot();
      await held.took(id);
      held.release();
      const clone = await openObjectTree(store.clone(id), { ...seams, room });
      for (const each of [tree, clone]) {
        for (const name of names) await each.remove(each.root, Buffer.from(name), { who });
      }
      return clone;
    },
  });
}
