import { AshlarError, assert, type ObjectId } from '@ashlar/core';
import type { HashKey } from './entries.ts';
import { regionClasses } from './regions.ts';

/** Where the next region of a class begins, and where the room for such ends; of classes that take their room in lots. */
export type Lot = { readonly next: number; readonly end: number };

/** What is kept of a tree as a whole. */
export type TreeSuperblock = {
  /** The object that all bytes of files lie in. */
  readonly object: ObjectId;
  readonly hashKey: HashKey;
  /** Numbers of inodes from there on were never given. */
  readonly nextInode: number;
  /** Bytes of the object from there on were never given. */
  readonly end: number;
  readonly lots: readonly Lot[];
  /** It was closed, and nothing changed since: nothing was written that is not on record. */
  readonly isClean: boolean;
  /** Once it was not closed: behind the ends of files may lie what their sizes were never made to have. */
  readonly isFrayed: boolean;
};

const version = 1;
const clean = 1;
const frayed = 2;
const headBytes = 40;
const lotBytes = 16;
const half = 2 ** 32;

/** Little endian: version u32, flags u32, hash key u32 u32, object u64, next inode u64, end u64; then of each class of regions that has lots where it goes on and where its lot ends, u64. */
export function encodeTreeSuperblock({
  end,
  hashKey,
  isClean,
  isFrayed,
  lots,
  nextInode,
  object,
}: TreeSuperblock): Buffer {
  const bytes = Buffer.alloc(headBytes + lots.length * lotBytes);
  bytes.writeUInt32LE(version, 0);
  bytes.writeUInt32LE((isClean ? clean : 0) | (isFrayed ? frayed : 0), 4);
  bytes.writeUInt32LE(hashKey[0], 8);
  bytes.writeUInt32LE(hashKey[1], 12);
  for (const [at, value] of [object, nextInode, end].entries()) writeLong(bytes, 16 + at * 8, value);
  for (const [at, lot] of lots.entries()) {
    writeLong(bytes, headBytes + at * lotBytes, lot.next);
    writeLong(bytes, headBytes + at * lotBytes + 8, lot.end);
  }
  return bytes;
}

/** Throws `corrupt`, and `unsupported` for what a newer version made. */
export function decodeTreeSuperblock(record: Uint8Array): TreeSuperblock {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  const lots = (bytes.length - headBytes) / lotBytes;
  if (!Number.isInteger(lots) || lots < 0 || lots > regionClasses) {
    throw new AshlarError('corrupt', 'what is kept of the file tree is damaged');
  }
  if (bytes.readUInt32LE(0) !== version) {
    throw new AshlarError('unsupported', 'the file tree was made by a newer version of Ashlar');
  }
  return {
    hashKey: [bytes.readUInt32LE(8), bytes.readUInt32LE(12)],
    object: readLong(bytes, 16),
    nextInode: readLong(bytes, 24),
    end: readLong(bytes, 32),
    isClean: (bytes.readUInt32LE(4) & clean) !== 0,
    isFrayed: (bytes.readUInt32LE(4) & frayed) !== 0,
    lots: Array.from({ length: lots }, (_, at) => ({
      next: readLong(bytes, headBytes + at * lotBytes),
      end: readLong(bytes, headBytes + at * lotBytes + 8),
    })),
  };
}

function writeLong(bytes: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'what is kept in 64 bits is exact');
  bytes.writeUInt32LE(value % half, at);
  bytes.writeUInt32LE(Math.floor(value / half), at + 4);
}

const readLong = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * half;
