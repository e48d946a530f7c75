import { mkdir, rename, rm } from 'node:fs/promises';
import { MiB, type RecordChange, type RecordStore, type RecordsWalk } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { recordRows } from '../inspect/record-rows.ts';
import { openLmdb } from './lmdb.ts';
import { walkCopy, walkHere } from './walk.ts';

/** Where the database of a pool comes from. */
export interface RecordsSource {
  isThere(): boolean;
  /** Looks at every record of one that nobody has open. */
  look(): Promise<RecordsWalk>;
  open(): RecordStore;
  /** Makes one of these changes, put into an empty one in their order, in the place of what is there: durably, and all of it or nothing. */
  replace(changes: AsyncIterable<readonly RecordChange[]>): Promise<void>;
}

/** LMDB in the directory `path`. One that is replaced stays beside it, as `PATH-damaged`. */
export function lmdbSource(host: Host, path: string): RecordsSource {
  return {
    isThere: () => host.stat(path) !== undefined,
    look: async () => (await walkCopy(path, new AbortController().signal))!,
    open: () => openLmdb(path),
    async replace(changes) {
      const made = `${path}-new`;
      await rm(made, { recursive: true, force: true });
      await mkdir(made);
      const records = openLmdb(made);
      try {
        for await (const batch of joined(changes)) await records.commit(batch);
      } finally {
        await records.close();
      }
      await host.syncDirectory(made);
      await rm(`${path}-damaged`, { recursive: true, force: true });
      if (host.stat(path) !== undefined) await rename(path, `${path}-damaged`);
      await rename(made, path);
    },
  };
}

/** A database of a simulator's, which a commit changes as a whole. */
export function simulatedSource(open: () => RecordStore): RecordsSource {
  return {
    isThere: () => true,
    look: async () => walkHere(open()),
    open,
    async replace(changes) {
      const records = open();
      const all = new Map<string, RecordChange>();
      for (const { key } of recordRows(records)) all.set(Buffer.from(key).toString('hex'), { key, value: null });
      for await (const batch of changes)
        for (const change of batch) all.set(Buffer.from(change.key).toString('hex'), change);
      await records.commit([...all.values()]);
    },
  };
}

/** Bytes of keys and values that are committed together. */
const batchBytes = 4 * MiB;

async function* joined(changes: AsyncIterable<readonly RecordChange[]>): AsyncGenerator<readonly RecordChange[]> {
  let batch: RecordChange[] = [];
  let bytes = 0;
  for await (const some of changes) {
    batch.push(...some);
    for (const { key, value } of some) bytes += key.length + (value?.length ?? 0);
    if (bytes < batchBytes) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
