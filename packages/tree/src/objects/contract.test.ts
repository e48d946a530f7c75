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
