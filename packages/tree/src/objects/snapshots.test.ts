import { errorKindOf } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import type { BrokenSnapshotRule, BrokenTreeRule } from './broken-rule.ts';
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
