import type { RecordChange } from '@ashlar/core';
import { recordKeyBytes } from './records/keys.ts';

/** Of a record in the database besides its key and value: its head, its checksum, its share of the pages above. */
const overheadBytes = 32;
/** Pages of the database that are split are somewhat more than half full. */
const spread = 1.6;
/** A commit writes each page that it changes to a new place, and what it lay in is free with the next one. */
const pageBytes = 4096;

const bytesOf = (key: Uint8Array, value: Uint8Array): number =>
  (recordKeyBytes + key.length + value.length + overheadBytes) * spread;

/** Bytes of the disk that changes of records may take at the worst, without a look at what was there. */
export const mostRecordRoom = (changes: readonly RecordChange[]): number =>
  changes.reduce((sum, { key, value }) => sum + pageBytes + (value === null ? 0 : bytesOf(key, value)), 0);

/** What changes take for good, less what they give up: below zero where that is more. And what the commit takes besides, until the next one. */
export type RecordRoom = { readonly growth: number; readonly passing: number };

/** The same exactly. `find`: what is there of a key. */
export function recordRoom(
  changes: readonly RecordChange[],
  find: (key: Uint8Array) => Uint8Array | undefined,
): RecordRoom {
  let growth = 0;
  for (const { key, value } of changes) {
    const before = find(key);
    if (value !== null) growth += bytesOf(key, value);
    if (before !== undefined) growth -= bytesOf(key, before);
  }
  return { growth, passing: pageBytes * changes.length };
}
