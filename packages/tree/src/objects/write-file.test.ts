import { MiB } from '@ashlar/core';
import { MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { openObjectTree } from './object-tree.ts';
import { makeTree } from './open-tree.ts';

const who = { uid: 0, gid: 0, gids: [] };

for (const isLate of [false, true]) {
  const store = isLate ? 'a store that answers late' : 'a store';
  test(`writes to a new file at once are all there, though each waits to be told what is free: on ${store}`, async (t) => {
    const random = new SeededRandom(1);
    const objects = new MemoryObjectStore(isLate ? random : undefined);
    const seams = { clock: systemTime, random };
    await makeTree(objects, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
    const room = async () => {
      await new Promise(setImmediate);
      return { totalBytes: 2 ** 40, freeBytes: 2 ** 39 };
    };
    const tree = await openObjectTree(objects, { ...seams, room });
    const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
    const { file } = await tree.create(tree.root, Buffer.from('a'), how, { who });
    const parts = [1, 2, 3, 4].map((fill) => Buffer.alloc(MiB, fill));
    await Promise.all(parts.map((part, at) => tree.write(file, at * MiB, part, 'unstable', who)));
    const found = Buffer.alloc(4 * MiB);
    for (let at = 0; at < 4; at += 1) await tree.read(file, at * MiB, found.subarray(at * MiB, (at + 1) * MiB), who);
    t.true(found.equals(Buffer.concat(parts)));
    t.is((await tree.getAttributes(file)).sizeBytes, 4 * MiB);
  });
}
