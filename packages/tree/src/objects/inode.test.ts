import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { decodeInode, encodeInode, ownRegions, type Inode } from './inode.ts';

const regular: Inode = {
  number: 77,
  generation: 0xffff_ffff,
  type: 'regular',
  mode: 0o6755,
  links: 3,
  uid: 0xffff_fffe,
  gid: 100,
  sizeBytes: 2 ** 53 - 1,
  usedBytes: 4096,
  device: { major: 0, minor: 0 },
  accessed: { seconds: 0, nanoseconds: 1 },
  modified: { seconds: 2 ** 34, nanoseconds: 999_999_999 },
  changed: { seconds: 5, nanoseconds: 6 },
  parent: 0,
  entries: 0,
  verifier: undefined,
  text: Buffer.alloc(0),
  regions: [0, -1, 4096, 2 ** 52],
  changedTables: [],
  acls: undefined,
};

test('what is kept of a file is read as it was written', (t) => {
  const link: Inode = { ...regular, type: 'link', text: Buffer.from('../ä'), regions: [] };
  const exclusive: Inode = { ...regular, verifier: Buffer.from('01234567') };
  const directory: Inode = { ...regular, type: 'directory', parent: 2 ** 47, entries: 1_000_000, regions: [] };
  const device: Inode = { ...regular, type: 'block', device: { major: 259, minor: 2 ** 20 - 1 }, regions: [] };
  const large: Inode = { ...regular, regions: Array.from({ length: ownRegions }, (_, at) => at * 2 ** 30) };
  for (const inode of [regular, link, exclusive, directory, device, large]) {
    t.deepEqual(decodeInode(77, encodeInode(inode)), inode, inode.type);
  }
});

test('what is read keeps no memory of what lies beside its record', (t) => {
  const record = encodeInode({ ...regular, verifier: Buffer.from('01234567'), text: Buffer.from('../there') });
  const slab = Buffer.concat([Buffer.alloc(4096), record]);
  const { text, verifier } = decodeInode(77, slab.subarray(4096));
  t.true(text.buffer.byteLength < 4096 && verifier!.buffer.byteLength < 4096);
});

test('access control lists are kept where there are some, in a record of another version', (t) => {
  const own = { tag: 'user', id: 0xffff_fffe, permissions: 5 } as const;
  const group = { tag: 'owning-group', id: 0, permissions: 7 } as const;
  const plain = encodeInode(regular);
  t.is(plain[0], 1);
  for (const acls of [
    { access: [own, group], inherited: [] },
    { access: [], inherited: [group, own, group] },
    { access: [group], inherited: [own] },
  ]) {
    const inode: Inode = { ...regular, verifier: Buffer.from('01234567'), text: Buffer.from('abc'), acls };
    const record = encodeInode(inode);
    t.is(record[0], 2);
    t.deepEqual(decodeInode(77, record), inode);
    for (const [at, byte] of [
      [0, 3],
      [101, 255],
      [115, 6],
      [116, 8],
    ] as const) {
      const damaged = Buffer.from(record);
      damaged[at] = byte;
      t.is(t.throws(() => decodeInode(77, damaged), { instanceOf: AshlarError })?.kind, 'corrupt', String(at));
    }
  }
});

test('a small file costs little more than a hundred bytes', (t) => {
  t.true(encodeInode({ ...regular, regions: [0] }).length <= 112);
});

test('a record of another version, or of another length, is corrupt', (t) => {
  const record = encodeInode(regular);
  const other = Buffer.from(record);
  other[0] = 3;
  const kind = Buffer.from(record);
  kind[1] = 99;
  const long = Buffer.from(record);
  long.writeUInt16LE(60_000, 6);
  for (const bytes of [
    Buffer.alloc(0),
    record.subarray(0, 50),
    record.subarray(0, record.length - 1),
    other,
    kind,
    long,
  ]) {
    t.is(t.throws(() => decodeInode(77, bytes), { instanceOf: AshlarError })?.kind, 'corrupt');
  }
});
