import { MemoryObjectStore } from '@ashlar/testing';
import test from 'ava';
import { inodeKey } from './keys.ts';
import { SnapshotRecords } from './snapshot-records.ts';
import { TreeRecords } from './tree-records.ts';

test('a scan of a snapshot gives each record once, also where others that came since lie between', async (t) => {
  const epochs: { current: number; newestSnapshot: number | undefined } = { current: 1, newestSnapshot: undefined };
  const records = new TreeRecords(new MemoryObjectStore(), epochs);
  await records.commit([2, 3, 5].map((number) => ({ key: inodeKey(number), value: Buffer.of(number) })));
  Object.assign(epochs, { current: 2, newestSnapshot: 1 });
  await records.commit([1, 2, 3, 4, 5].map((number) => ({ key: inodeKey(number), value: Buffer.of(99) })));
  for (let limit = 1; limit <= 4; limit += 1) {
    const found = await new SnapshotRecords(records, 1).scan(inodeKey(0), inodeKey(9), limit);
    t.deepEqual(
      found.map(({ value }) => value[0]),
      [2, 3, 5].slice(0, limit),
    );
  }
});
