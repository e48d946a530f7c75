import { errorKindOf, type SnapshotId } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import type { BrokenSnapshotRule, BrokenTreeRule } from './broken-rule.ts';
import { openObjectTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';
import { firstEpoch, untilOfVersion, versionKeys } from './record-versions.ts';
import { rollBackRecords } from './roll-back.ts';
import { historyFaults, TreeHistory } from './tree-history.ts';

const histories = process.env['ASHLAR_LONG'] === '1' ? 1000 : 25;
const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const named = (text: string): Uint8Array => Buffer.from(text);

function historyOf(seed: number, broken?: BrokenTreeRule): TreeHistory {
  const random = new SeededRandom(seed);
  const store = new MemoryObjectStore(seed % 2 === 0 ? random : undefined);
  return new TreeHistory(store, { clock: systemTime, random }, broken);
}

test('snapshots have what there was, whatever is changed, taken, dropped, rolled back to or killed', async (t) => {
  for (let seed = 1; seed <= histories; seed += 1) {
    const faults = await historyFaults(historyOf(seed));
    if (faults.length > 0) return t.fail(`seed ${seed}: ${faults.join('\n')}`);
  }
  t.pass();
});

/** Each rule of a tree's snapshots with what is wrong when it is not kept; docs/simulator.md lists them. */
const rules: Readonly<Record<BrokenSnapshotRule, string>> = {
  'earlier-not-kept': 'what a record was is kept before it is changed behind a snapshot',
  'epoch-not-ended': 'a snapshot ends the epoch',
  'earlier-not-handed-on': 'what a snapshot that is dropped leaves belongs to the one before it that had it as well',
};

for (const [rule, said] of Object.entries(rules) as [BrokenSnapshotRule, string][]) {
  test(`it is found out where it is broken that ${said}`, async (t) => {
    for (let seed = 1; seed <= histories; seed += 1) {
      const faults = await historyFaults(historyOf(seed, rule)).catch((error: unknown) => [String(errorKindOf(error))]);
      if (faults.length > 0) {
        t.pass();
        return;
      }
    }
    t.fail(`no history of ${histories} shows it`);
  });
}

test('a snapshot is read, and not changed, and has its own permissions', async (t) => {
  const history = historyOf(1);
  await history.open();
  const { tree } = history;
  const { file } = await tree.create(tree.root, named('a'), { mode: 'guarded', attributes: { mode: 0o644 } }, by);
  await tree.write(file, 0, named('before'), 'unstable', who);
  await history.takeSnapshot();
  await tree.write(file, 0, named('behind'), 'unstable', who);
  await tree.setAttributes(file, { mode: 0o600 }, undefined, by);
  await tree.remove(tree.root, named('a'), by);
  const then = await tree.openSnapshot(history.store.openSnapshot(1));
  t.true(then.readOnly);
  const other = { uid: 7, gid: 7, gids: [] };
  const into = Buffer.alloc(10);
  t.is((await then.read(file, 0, into, other)).count, 6);
  t.is(into.toString('latin1', 0, 6), 'before');
  t.is((await then.access(file, 0x3f, who)).granted & 0x1c, 0);
  await failsWith(t, 'read-only', async () => then.write(file, 0, named('x'), 'file', who));
  await failsWith(t, 'read-only', async () => then.remove(then.root, named('a'), by));
  await failsWith(t, 'stale', async () => tree.getAttributes(file));
  await failsWith(t, 'not-found', async () => tree.openSnapshot({ ...history.store.openSnapshot(1), id: 99 }));
  await tree.close();
});

for (const isLate of [false, true]) {
  test(`a tree goes back to a snapshot behind which another was dropped, though nothing of that was given back yet${isLate ? ', on a store that answers late' : ''}`, async (t) => {
    const random = new SeededRandom(3);
    const store = new MemoryObjectStore(isLate ? random : undefined);
    const options = { clock: systemTime, random, room: () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }) };
    await makeTree(store, 1, options, { uid: 0, gid: 0, mode: 0o777 });
    const tree = await openObjectTree(store, options);
    const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
    const take = async (): Promise<SnapshotId> => {
      const held = await tree.hold();
      const id = await store.snapshot();
      await held.took(id);
      held.release();
      return id;
    };
    const changed = (await tree.create(tree.root, named('changed'), how, by)).file;
    await tree.write(changed, 0, named('first'), 'file', who);
    await tree.create(tree.root, named('removed'), how, by);
    const first = await take();
    await tree.write(changed, 5, named(' and more'), 'file', who);
    await tree.create(tree.root, named('new'), how, by);
    const second = await take();
    await tree.write(changed, 0, named('last of all and more'), 'file', who);
    await tree.remove(tree.root, named('removed'), by);
    await tree.remove(tree.root, named('new'), by);
    await store.deleteSnapshot(second);
    await tree.close();
    await store.rollBack(first);
    await rollBackRecords(store, first);
    const back = await openObjectTree(store, options);
    await back.keepSnapshots(store.snapshotIds);
    const { entries } = await back.list(back.root, 0n, 10, true, who);
    t.deepEqual(entries.map(({ name }) => Buffer.from(name).toString()).toSorted(), ['.', '..', 'changed', 'removed']);
    t.is((await back.getAttributes(changed)).sizeBytes, 5);
    await back.close();
    const { reclaimer, snapshots } = await openTreeState(store, options);
    await Promise.all([reclaimer.idle(), snapshots.idle()]);
    const kept = (await store.scanRecords(...versionKeys, 100)).map(({ key }) => untilOfVersion(key));
    t.true(kept.every((until) => until === firstEpoch));
  });
}
