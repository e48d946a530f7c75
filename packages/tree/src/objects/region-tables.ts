import { andThen, type RecordChange, type Settled } from '@ashlar/core';
import { decodeInode, decodeRegions, encodeRegions, hasTables, ownRegions, type Inode } from './inode.ts';
import { tableIn, tableKey } from './keys.ts';
import type { RecordsReader } from './tree-records.ts';

/** Regions in a table: of 128 GiB, as those that are in tables have a GiB each. */
const tableRegions = 128;
/** Of a file as large as can be. */
const mostTables = 2 ** 16;

/** The table that a region is in; nothing where the inode's record names it. */
export const tableOf = (index: number): number | undefined =>
  index < ownRegions ? undefined : Math.floor((index - ownRegions) / tableRegions);

/** The records of tables that are not on record as they are. */
export const tableChanges = ({ changedTables, number, regions }: Inode): RecordChange[] =>
  changedTables.map((table) => {
    const first = ownRegions + table * tableRegions;
    return { key: tableKey(number, table), value: encodeRegions(regions.slice(first, first + tableRegions)) };
  });

/** The removal of all tables of a file that is gone. */
export const tableRemovals = ({ number, regions }: Inode): RecordChange[] => {
  const last = tableOf(regions.length - 1);
  if (last === undefined) return [];
  return Array.from({ length: last + 1 }, (_, table) => ({ key: tableKey(number, table), value: null }));
};

/** An inode by its record, with all of its regions. */
export function withTables(records: RecordsReader, number: number, record: Uint8Array): Settled<Inode> {
  const inode = decodeInode(number, record);
  if (!hasTables(record)) return inode;
  const found = records.scan(tableKey(number, 0), tableKey(number, mostTables), mostTables);
  return andThen(found, (tables) => {
    const regions = [...inode.regions];
    for (const { key, value } of tables) {
      const first = ownRegions + tableIn(key) * tableRegions;
      while (regions.length < first) regions.push(-1);
      regions.push(...decodeRegions(value));
    }
    return { ...inode, regions };
  });
}
