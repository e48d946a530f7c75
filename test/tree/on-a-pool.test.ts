import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRealHost } from '@ashlar/host';
import { openPool } from '@ashlar/store';
import { fileTreeContract, SeededRandom, systemTime } from '@ashlar/testing';
import { makeTree, mostTreeBytes, openObjectTree } from '@ashlar/tree';
import test from 'ava';

fileTreeContract(test, 'file tree on a pool', {
  open: async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ashlar-tree-'));
    const pool = await openPool(createRealHost(), join(directory, 'pool'), { journalBytes: 16 * 1024 * 1024 });
    const store = await pool.openStore(await pool.createStore());
    t.teardown(async () => {
      await pool.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const object = await store.create(mostTreeBytes, 'off');
    const seams = { clock: systemTime, random: new SeededRandom(9) };
    await makeTree(store, object, seams, { uid: 0, gid: 0, mode: 0o777 });
    return await openObjectTree(store, { ...seams, room: () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }) });
  },
});
