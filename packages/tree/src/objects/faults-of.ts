import { cloneStoreOf } from './clone-store.ts';
import { decodeEntries } from './entries.ts';
import type { Inode } from './inode.ts';
import { inodeBytes, inodeIn, keysOf, prefix } from './keys.ts';
import { withTables } from './region-tables.ts';
import { regionBytes, regionOf } from './regions.ts';
import { loadSnapshots } from './tree-snapshots.ts';
import { TreeRecords, type RecordsStore } from './tree-records.ts';

type Named = { readonly directory: number; readonly inode: number; readonly type: string };

/** `usedBlocks`: where in the tree's object something is. */
type FoundStore = RecordsStore & { readonly usedBlocks: readonly number[] };

/** For tests: what is wrong with a tree that nobody has open, and on whose store nothing waits to be given back. */
export async function faultsOf(store: FoundStore): Promise<string[]> {
  const records = new TreeRecords((await cloneStoreOf(store)) ?? store, (await loadSnapshots(store)).epochs);
  const scan = async (first: number) => await records.scan(...keysOf(first), 1_000_000);
  const inodes = new Map<number, Inode>();
  for (const { key, value } of await scan(prefix.inode)) {
    inodes.set(inodeIn(key), await withTables(records, inodeIn(key), value));
  }
  const names: Named[] = [];
  for (const { key, value } of await scan(prefix.entry)) {
    const directory = Buffer.from(key).readUIntBE(1, inodeBytes);
    for (const { inode, type } of decodeEntries(value)) names.push({ directory, inode, type });
  }
  const orphans = await scan(prefix.orphan);
  return [
    ...orphans.map(({ key }) => `${inodeIn(key)} was not given back`),
    ...nameFaults(inodes, names),
    ...regionFaults(store, [...inodes.values()]),
  ];
}

function nameFaults(inodes: ReadonlyMap<number, Inode>, names: readonly Named[]): string[] {
  const faults: string[] = [];
  for (const { directory, inode, type } of names) {
    const found = inodes.get(inode);
    if (found?.type !== type) faults.push(`a name in ${directory} is of ${inode}, a ${type} that is not there`);
    if (inodes.get(directory)?.type !== 'directory') faults.push(`a name is in ${directory}, which is no directory`);
    if (type === 'directory' && found?.parent !== directory)
      faults.push(`${inode} is in another directory than it says`);
  }
  for (const { entries, links, number, type } of inodes.values()) {
    const of = names.filter(({ inode }) => inode === number).length;
    const inside = names.filter(({ directory }) => directory === number);
    const children = inside.filter((each) => each.type === 'directory').length;
    const expected = type === 'directory' ? 2 + children : of;
    if (links !== expected) faults.push(`${number} has ${links} links in place of ${expected}`);
    if (type === 'directory' && of !== (number === 1 ? 0 : 1)) faults.push(`the directory ${number} has ${of} names`);
    if (type === 'directory' && entries !== inside.length)
      faults.push(`${number} has ${entries} names in place of ${inside.length}`);
  }
  return faults;
}

function regionFaults(store: FoundStore, inodes: readonly Inode[]): string[] {
  const faults: string[] = [];
  const taken = inodes
    .flatMap(({ number, regions }) =>
      regions.map((base, index) => ({ number, base, end: base + regionBytes(regionOf(index).regionClass) })),
    )
    .filter(({ base }) => base >= 0)
    .toSorted((one, other) => one.base - other.base);
  for (const [at, region] of taken.entries()) {
    const next = taken[at + 1];
    if (next !== undefined && next.base < region.end) faults.push(`${region.number} and ${next.number} share bytes`);
  }
  for (const block of store.usedBlocks) {
    if (!taken.some(({ base, end }) => base <= block && block < end)) faults.push(`nobody has the bytes at ${block}`);
  }
  return faults;
}
