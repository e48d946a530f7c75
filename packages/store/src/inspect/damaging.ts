import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordChange } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { getPacked, packedChange } from '../records/keys.ts';
import { openLmdb } from '../records/lmdb.ts';
import type { PoolReport } from './check.ts';
import type { ProblemKind } from './findings.ts';
import { PoolInspection } from './pool-inspection.ts';

/** What `ashlar check` says of a pool. */
export async function check(path: string): Promise<PoolReport> {
  const inspection = PoolInspection.open(createRealHost(), path);
  try {
    return await inspection.check();
  } finally {
    await inspection.close();
  }
}

export const bytes = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

/** Changes bytes of a file in place. */
export function patch(path: string, offset: number, length: number, change: (bytes: Uint8Array) => void): void {
  const file = openSync(path, 'r+');
  const part = new Uint8Array(length);
  readSync(file, part, 0, length, offset);
  change(part);
  writeSync(file, part, 0, length, offset);
  closeSync(file);
}

/** One bit of a file. */
export const flip = (path: string, offset: number): void =>
  patch(path, offset, 1, (part) => {
    part[0] = (part[0] ?? 0) ^ 0x10;
  });

/** Changes records of the database, sealed or as they are given. */
export async function rewrite(
  path: string,
  change: (get: (key: Uint8Array) => Uint8Array) => RecordChange[],
): Promise<void> {
  const records = openLmdb(join(path, 'records'));
  await records.commit(change((key) => Uint8Array.from(records.get(key) ?? new Uint8Array())));
  await records.close();
}

/** Changes a record that is packed. */
export const changeRecord = <T>(path: string, key: Uint8Array, change: (record: T) => T): Promise<void> =>
  rewrite(path, () => {
    const records = openLmdb(join(path, 'records'));
    return [packedChange(key, change(getPacked<T>(records, key)!))];
  });

/** A pool and a store in it. */
type PoolPlace = { readonly path: string; readonly store: number };

/** The slot that the first piece of a chunk lies in. */
export async function slotOf({ path, store }: PoolPlace, object: number, chunk: number): Promise<number> {
  let found = -1;
  const inspection = PoolInspection.open(createRealHost(), path);
  await inspection.walkMap(inspection.objectRecord(store, object)!, (row) => {
    if (row.kind === 'chunk' && row.chunk === chunk) found = row.entry.pieces[0]?.slot ?? -1;
  });
  await inspection.close();
  return found;
}

/** Each kind of problem once, by name. */
export const kindsOf = ({ problems }: PoolReport): ProblemKind[] =>
  [...new Set(problems.map(({ kind }) => kind))].toSorted();
