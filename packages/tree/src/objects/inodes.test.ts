import test from 'ava';
import { encodeInode, type Inode } from './inode.ts';
import { Inodes } from './inodes.ts';
import { inodeIn } from './keys.ts';

const inodeNumbered = (number: number): Inode => ({
  number,
  generation: 5,
  type: 'regular',
  mode: 0o644,
  links: 1,
  uid: 0,
  gid: 0,
  sizeBytes: number * 100,
  usedBytes: 4096,
  device: { major: 0, minor: 0 },
  accessed: { seconds: 1, nanoseconds: 1 },
  modified: { seconds: 1, nanoseconds: 2 },
  changed: { seconds: 1, nanoseconds: 3 },
  parent: 0,
  entries: 0,
  verifier: undefined,
  text: Buffer.alloc(0),
  regions: [0],
  changedTables: [],
  acls: undefined,
});

/** Inodes 1 to 9 on record, and which of them were read. */
function recorded(mostClean: number): { readonly inodes: Inodes; readonly read: number[] } {
  const read: number[] = [];
  const get = (key: Uint8Array): Uint8Array | undefined => {
    const number = inodeIn(key);
    read.push(number);
    return number > 9 ? undefined : encodeInode(inodeNumbered(number));
  };
  return { inodes: new Inodes({ get, scan: () => [] }, mostClean), read };
}

test('files that are glanced at take the place of none in memory', async (t) => {
  const { inodes, read } = recorded(2);
  await inodes.find(1);
  for (let number = 2; number < 10; number += 1) await inodes.glance(number);
  await inodes.glance(1);
  await inodes.find(1);
  t.deepEqual(read, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a glance has of a file what is on record, and nothing of one that is gone', async (t) => {
  const { inodes } = recorded(2);
  t.like(await inodes.glance(3), { number: 3, generation: 5, type: 'regular', sizeBytes: 300, links: 1 });
  t.is(await inodes.glance(10), undefined);
});

test('a glance has of a file that changed what it is, though its record does not say so', async (t) => {
  const { inodes } = recorded(2);
  inodes.change({ ...inodeNumbered(3), sizeBytes: 7 });
  t.is((await inodes.glance(3))?.sizeBytes, 7);
});
