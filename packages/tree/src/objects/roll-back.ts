import { AshlarError, type RecordChange, type SnapshotId } from '@ashlar/core';
import { bytesOfChanges, lotsOf } from './batches.ts';
import { cloneStoreOf } from './clone-store.ts';
import { prefix } from './keys.ts';
import { birthOf, isVersioned, keyOfVersion, untilOfVersion, versionKeys } from './record-versions.ts';
import type { RecordsStore, StoredRecord } from './tree-records.ts';
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
  // What was written since is gone, or what it was, which follows.
  await eachRecord(store, [Buffer.of(0), Buffer.of(prefix.snapshot)], ({ key, value }) => {
    // What was answered since is not so any more.
    const isGone = key[0] === prefix.receipt || (isVersioned(key) && birthOf(value) > epoch);
    return isGone ? [{ key, value: null }] : [];
  });
  // What a record was then is kept with this epoch, or with that of a later snapshot which was dropped and has not been given back yet.
  await eachRecord(store, versionKeys, ({ key, value }) => {
    if (untilOfVersion(key) < epoch) return [];
    const isThen = birthOf(value) <= epoch;
    return [...(isThen ? [{ key: keyOfVersion(key), value }] : []), { key, value: null }];
  });
}

async function eachRecord(
  store: RecordsStore,
  [start, to]: readonly [Buffer, Buffer],
  changesOf: (record: StoredRecord) => RecordChange[],
): Promise<void> {
  for (let from = start; ;) {
    const found = await store.scanRecords(from, to, mostAtOnce);
    for (const lot of lotsOf(found.map(changesOf), bytesOfChanges)) await store.commit(lot.flat(), false, true);
    const last = found.at(-1);
    if (last === undefined || found.length < mostAtOnce) return;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
