import { andThen, type RecordChange, type Settled } from '@ashlar/core';
import { decodeInode, decodeRegions, encodeRegions, hasTables, ownRegions, type Inode } from './inode.ts';
import { tableIn, tableKey } from './keys.ts';
import type { RecordsReader } from './tree-records.ts';

/** Regions in a table: of 128 GiB, as those that are in tables have a GiB each. */
const tableRegions = 128;
/** What the record of one takes, about. */
export const tableBytes = tableRegions * 6;
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

/** Regions that one record has: of a table, or without a key of the inode itself. `first`: the how manyth of the file its first one is. */
type RegionGroup = { readonly key: Buffer | undefined; readonly first: number; readonly bases: readonly number[] };

/** The regions of a file by the records that have them, the inode's own last. */
export function regionGroups({ number, regions }: Inode): RegionGroup[] {
  const groups: RegionGroup[] = [{ key: undefined, first: 0, bases: regions.slice(0, ownRegions) }];
  for (let first = ownRegions; first < regions.length; first += tableRegions) {
    const key = tableKey(number, tableOf(first)!);
    groups.unshift({ key, first, bases: regions.slice(first, first + tableRegions) });
  }
  return groups;
}

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
