/** First bytes of the keys of a tree's records. */
export const prefix = {
  superblock: 0,
  inode: 1,
  entry: 2,
  orphan: 3,
  receipt: 4,
  regions: 5,
  freeRegion: 6,
  snapshot: 7,
  epoch: 8,
  flat: 9,
} as const;

/** What is kept of how far a clone's records have become its own. */
export const flatKey: Uint8Array = Buffer.of(prefix.flat);

const regionUnit = 4096;

/** Inodes are numbers below 2^48. */
export const inodeBytes = 6;

/** Of the key of an entry: the prefix and its directory. */
export const directoryPrefix = 1 + inodeBytes;
/** And the hash of its name. */
export const hashBytes = 7;

export function inodeKey(inode: number): Buffer {
  return numbered(prefix.inode, inode);
}

export const orphanKey = (inode: number): Buffer => numbered(prefix.orphan, inode);

/** Of a table of a file's regions: its inode, and the number of the table u32. */
export function tableKey(inode: number, table: number): Buffer {
  const key = Buffer.alloc(1 + inodeBytes + 4);
  key[0] = prefix.regions;
  key.writeUIntBE(inode, 1, inodeBytes);
  key.writeUInt32BE(table, 1 + inodeBytes);
  return key;
}

export const tableIn = (key: Uint8Array): number =>
  Buffer.from(key.buffer, key.byteOffset, key.length).readUInt32BE(1 + inodeBytes);

/** Of a region that nobody has: its class u8, and where it begins, in units of 4 KiB. */
export function freeRegionKey(regionClass: number, base: number): Buffer {
  const key = Buffer.alloc(2 + inodeBytes);
  key[0] = prefix.freeRegion;
  key[1] = regionClass;
  key.writeUIntBE(base / regionUnit, 2, inodeBytes);
  return key;
}

export function freeRegionIn(key: Uint8Array): { readonly regionClass: number; readonly base: number } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return { regionClass: bytes[1]!, base: bytes.readUIntBE(2, inodeBytes) * regionUnit };
}

/** A key as text, which sorts as its bytes do. */
export const nameOf = (key: Uint8Array): string =>
  (key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length)).toString('latin1');

/** All keys of a prefix are from the first of these on, and before the second. */
export const keysOf = (first: number): readonly [Buffer, Buffer] => [Buffer.of(first), Buffer.of(first + 1)];

export const inodeIn = (key: Uint8Array): number =>
  Buffer.from(key.buffer, key.byteOffset, key.length).readUIntBE(1, inodeBytes);

/** The length of the owner u8, the owner, the slot u16. */
export function receiptKey(owner: Uint8Array, slot: number): Buffer {
  const key = Buffer.allocUnsafe(2 + owner.length + 2);
  key[0] = prefix.receipt;
  key[1] = owner.length;
  key.set(owner, 2);
  key.writeUInt16BE(slot, 2 + owner.length);
  return key;
}

/** All of an owner are from the first of these on, and before the second. */
export const receiptKeys = (owner: Uint8Array): readonly [Buffer, Buffer] => [
  receiptKey(owner, 0),
  Buffer.concat([receiptKey(owner, 0xffff), Buffer.of(0)]),
];

function numbered(first: number, inode: number): Buffer {
  const key = Buffer.allocUnsafe(1 + inodeBytes);
  key[0] = first;
  key.writeUIntBE(inode, 1, inodeBytes);
  return key;
}
