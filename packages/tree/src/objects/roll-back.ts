import { AshlarError, type RecordChange, type SnapshotId } from '@ashlar/core';
import { bytesOfChanges, lotsOf } from './batches.ts';
import { cloneStoreOf } from './clone-store.ts';
import { prefix } from './keys.ts';
import { birthOf, isVersioned, keyOfVersion, untilOfVersion, versionKey, versionKeys } from './record-versions.ts';
import type { RecordsStore } from './tree-records.ts';
import { loadSnapshots } from './tree-snapshots.ts';

const mostAtOnce = 500;

/**
 * Makes the records of a tree that nobody has open what its newest snapshot has; the store's object is rolled back to the same. Done again, also where it was cut off, it
 * ends with the same.
 */
export async function rollBackRecords(own: RecordsStore, id: SnapshotId): Promise<void> {
  const store = (await cloneStoreOf(own)) ?? own;
  const { snapshots } = await loadSnapshots(store);
  const snapshot = snapshots.findLast((each) => each.id === id);
  if (snapshot === undefined) throw new AshlarError('not-found', 'the file tree has no such snapshot');
  const { epoch } = snapshot;
  // What was written since is what it was, or gone.
  await eachRecord(store, [Buffer.of(0), Buffer.of(prefix.snapshot)], async ({ key, value }) => {
    // What was answered since is not so any more.
    if (key[0] === prefix.receipt) return [{ key, value: null }];
    if (!isVersioned(key) || birthOf(value) <= epoch) return [];
    const kept = versionKey(key, epoch);
    const before = await store.getRecord(kept);
    return before === undefined
      ? [{ key, value: null }]
      : [
          { key, value: before },
          { key: kept, value: null },
        ];
  });
  // What was removed since is there again.
  await eachRecord(store, versionKeys, async ({ key, value }) =>
    untilOfVersion(key) === epoch
      ? [
          { key: keyOfVersion(key), value },
          { key, value: null },
        ]
      : [],
  );
}

async function eachRecord(
  store: RecordsStore,
  [start, to]: readonly [Buffer, Buffer],
  changesOf: (record: { readonly key: Uint8Array; readonly value: Uint8Array }) => Promise<RecordChange[]>,
): Promise<void> {
  for (let from = start; ;) {
    const found = await store.scanRecords(from, to, mostAtOnce);
    const changes: RecordChange[][] = [];
    for (const record of found) changes.push(await changesOf(record));
    for (const lot of lotsOf(changes, bytesOfChanges)) await store.commit(lot.flat(), false, true);
    const last = found.at(-1);
    if (last === undefined || found.length < mostAtOnce) return;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
