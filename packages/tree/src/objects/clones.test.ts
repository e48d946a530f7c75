import { errorKindOf, type RecordChange } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import type { BrokenCloneRule, BrokenTreeRule } from './broken-rule.ts';
import { CloneStore } from './clone-store.ts';
import { inodeIn, inodeKey, prefix } from './keys.ts';
import { familyFaults, TreeHistory } from './tree-history.ts';

const who = { uid: 0, gid: 0, gids: [] };
const histories = process.env['ASHLAR_LONG'] === '1' ? 1000 : 15;

function historyOf(seed: number, broken?: BrokenTreeRule): TreeHistory {
  const random = new SeededRandom(seed);
  const store = new MemoryObjectStore(seed % 2 === 0 ? random : undefined);
  return new TreeHistory(store, { clock: systemTime, random }, broken);
}

test('clones and what they were cloned from are each what was made of them, whatever is changed, rolled back, flattened or killed', async (t) => {
  for (let seed = 1; seed <= histories; seed += 1) {
    const faults = await familyFaults(historyOf(seed));
    if (faults.length > 0) return t.fail(`seed ${seed}: ${faults.join('\n')}`);
  }
  t.pass();
});

/** Each rule of clones with what is wrong when it is not kept; docs/simulator.md lists them. */
const rules: Readonly<Record<BrokenCloneRule, string>> = {
  'removal-not-kept': 'what a clone removed of what it has of its origin stays removed',
  'copied-over-changes': 'what a clone changed is not copied over when it is flattened',
};

for (const [rule, said] of Object.entries(rules) as [BrokenCloneRule, string][]) {
  test(`it is found out where it is broken that ${said}`, async (t) => {
    for (let seed = 1; seed <= histories; seed += 1) {
      const faults = await familyFaults(historyOf(seed, rule)).catch((error: unknown) => [String(errorKindOf(error))]);
      if (faults.length > 0) {
        t.pass();
        return;
      }
    }
    t.fail(`no history of ${histories} shows it`);
  });
}

test('answers that its origin keeps for calls that come again are none of a clone', async (t) => {
  const history = historyOf(1);
  await history.open();
  const { tree } = history;
  const owner = Buffer.from('client');
  const receipt = () => ({ owner, slot: 1, value: Buffer.from('done') });
  await tree.makeDirectory(tree.root, Buffer.from('a'), { mode: 0o755 }, { who, receipt });
  await history.takeSnapshot();
  const clone = await history.clone();
  t.is((await tree.receipts(owner)).length, 1);
  t.is((await clone!.tree.receipts(owner)).length, 0);
});

test('a file of a clone has its number and handle, and a new one of either is none of the other', async (t) => {
  const history = historyOf(1);
  await history.open();
  const { tree } = history;
  const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
  const { file } = await tree.create(tree.root, Buffer.from('a'), how, { who });
  await history.takeSnapshot();
  const clone = (await history.clone())!.tree;
  t.deepEqual((await clone.lookup(clone.root, Buffer.from('a'), who)).file, file);
  const mine = (await clone.create(clone.root, Buffer.from('b'), how, { who })).file;
  await failsWith(t, 'stale', async () => tree.getAttributes(mine));
  const other = (await tree.create(tree.root, Buffer.from('c'), how, { who })).file;
  await failsWith(t, 'stale', async () => clone.getAttributes(other));
});

test('what is removed while the last records of a clone become its own is kept as removed by nobody in the end, though the store lets changes wait', async (t) => {
  const origin = new Map([1, 2].map((number) => [number, Buffer.of(number)]));
  const inherited = {
    get: (key: Uint8Array) => origin.get(inodeIn(key)),
    scan: () => [...origin].map(([number, value]) => ({ key: inodeKey(number), value })),
  };
  const own = new MemoryObjectStore();
  let removing: Promise<void> | undefined;
  const waiting = {
    origin: undefined,
    getRecord: (key: Uint8Array) => own.getRecord(key),
    scanRecords: (from: Uint8Array, to: Uint8Array, limit: number) => own.scanRecords(from, to, limit),
    commit: async (changes: readonly RecordChange[]) => {
      if (changes[0]!.key[0] === prefix.flat) {
        removing ??= Promise.try(() => clone.commit([{ key: inodeKey(2), value: null }], false));
      }
      for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
      await own.commit(changes, false);
    },
  };
  const clone = new CloneStore(waiting, inherited);
  while (!(await clone.copySome()));
  await removing;
  const left = await own.scanRecords(inodeKey(0), inodeKey(9), 10);
  t.deepEqual(
    left.map(({ key }) => inodeIn(key)),
    [1],
  );
});
